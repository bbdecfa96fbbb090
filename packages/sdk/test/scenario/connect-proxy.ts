import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface ConnectProxy {
  url: string;
  /** What it was asked for, as `METHOD TARGET AUTHORIZATION`. */
  asked: string[];
}

/** A proxy that knows CONNECT alone, and leads everybody to one port of this machine, or refuses with a status. */
export async function connectProxy({ port, refuse }: { port?: number; refuse?: number }): Promise<ConnectProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((asking, response) => {
    asked.push(`${asking.method} ${asking.url}`);
    response.writeHead(405).end();
  });
  server.on("connect", ({ url = "", headers }: IncomingMessage, client: Socket, head: Buffer) => {
    asked.push(
      `CONNECT ${url}${headers["proxy-authorization"] === undefined ? "" : ` ${headers["proxy-authorization"]}`}`,
    );
    if (refuse !== undefined) return client.end(`HTTP/1.1 ${refuse} No\r\nContent-Length: 0\r\n\r\n`);
    const upstream = connect(port ?? 1, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => upstream.destroy());
    }
    return undefined;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
