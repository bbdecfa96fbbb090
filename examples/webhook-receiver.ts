/**
 * A web service that is an agent: `npx node examples/webhook-receiver.ts 8090`, and
 *   npx aimessage -u service listen --webhook http://127.0.0.1:8090/ --reply
 * Another asks it: npx aimessage -u alice ask -t service -m "hello"
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

const seen = new Map<string, string>();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const body = Buffer.concat(parts).toString();
  // The same id at each attempt: what was done is not done again.
  const id = String(request.headers["webhook-id"]);
  const said = seen.get(id) ?? `${String(request.headers["aimessage-from"])} said ${body.length} characters`;
  seen.set(id, said);
  response.setHeader("content-type", "text/plain").end(said);
}

createServer((request, response) => void answer(request, response)).listen(
  Number(process.argv[2] ?? 8090),
  "127.0.0.1",
  () => console.log("ready"),
);
