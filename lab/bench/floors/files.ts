/** Floor of files: takes one by PUT and gives it by GET, and does nothing else. No encryption, no checks, no sync. */
import { once } from "node:events";
import { createReadStream, createWriteStream, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { serve } from "../../shared/serve.ts";

const [folder = "."] = process.argv.slice(2);
const file = `${folder}/floor`;
const server = createServer({ requestTimeout: 0 }, (request, response) => {
  if (request.method === "PUT") void pipeline(request, createWriteStream(file)).then(() => response.end());
  else {
    response.writeHead(200, { "content-length": statSync(file).size });
    void pipeline(createReadStream(file, { highWaterMark: 2 ** 20 }), response);
  }
}).listen(0, "127.0.0.1");
await once(server, "listening");
serve({ port: () => (server.address() as AddressInfo).port });
