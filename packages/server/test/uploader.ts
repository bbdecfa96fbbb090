import { createHash, randomBytes } from "node:crypto";
import { request } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { RawClient } from "./raw-client.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64");

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** A file at a relay, as whoever uploads it knows it. */
export interface Blob {
  blob: string;
  token: string;
  readToken: string;
  offset: number;
  expires_at: number;
}

/** Asks for room. @returns what is known of it; fails if it is refused */
export async function askRoom(client: RawClient, bytes: number, more: Record<string, unknown> = {}): Promise<Blob> {
  const readToken = randomBytes(32);
  const frame = {
    request_id: randomBytes(8).toString("hex"),
    bytes,
    readers: 1,
    read_hash: sha256(readToken),
    ...more,
  };
  const { type, data } = await client.ask("blob", frame);
  if (type !== "ack") throw new Error(JSON.stringify(data));
  return { ...data, readToken: readToken.toString("base64") };
}

/** One request by a connection of its own, or by one of `agent`. */
export function http(
  url: string,
  method: string,
  blob: string,
  { token, headers = {}, body }: { token?: string; headers?: Record<string, string | number>; body?: Uint8Array } = {},
): Promise<Answer> {
  const { port } = new URL(url);
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: "127.0.0.1", port, method, path: `/blobs/${blob}`, headers: { ...authorization, ...headers } },
      (response) => {
        const pieces: Buffer[] = [];
        response.on("data", (piece: Buffer) => pieces.push(piece));
        response.on("error", reject);
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) }),
        );
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

const TUS = { "tus-resumable": "1.0.0" };

/** `PATCH`: brings a part. */
export function bring(url: string, { blob, token }: Blob, offset: number, body: Uint8Array): Promise<Answer> {
  const headers = {
    ...TUS,
    "content-type": "application/offset+octet-stream",
    "upload-offset": offset,
    "content-length": body.length,
  };
  return http(url, "PATCH", blob, { token, headers, body });
}

export function head(url: string, { blob, token }: Blob): Promise<Answer> {
  return http(url, "HEAD", blob, { token, headers: TUS });
}

export function drop(url: string, { blob, token }: Blob): Promise<Answer> {
  return http(url, "DELETE", blob, { token, headers: TUS });
}

export function fetchBlob(url: string, { blob, readToken }: Blob, range?: string): Promise<Answer> {
  return http(url, "GET", blob, { token: readToken, headers: range === undefined ? {} : { range } });
}

/** A file that is there, whole. */
export async function uploaded(url: string, client: RawClient, bytes: Uint8Array): Promise<Blob> {
  const blob = await askRoom(client, bytes.length);
  const { status } = await bring(url, blob, 0, bytes);
  if (status !== 204) throw new Error(`PATCH was answered by ${status}`);
  return blob;
}
