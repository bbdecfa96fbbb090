import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fromBase64, isBase64 } from "@aimessage/sdk/protocol";
import type { Config } from "../config/config.ts";
import type { Blob } from "../store/blob-rows.ts";
import type { RelayStore } from "../store/store.ts";
import type { Blobs } from "./blobs.ts";
import { handOut } from "./hand-out.ts";
import { receivePart } from "./receive.ts";
import { answerEmpty, refuseBy, retryAfter, TUS_VERSION } from "./respond.ts";

/** Headers of ours that pages may send and read. */
const SENT = "authorization, content-type, range, tus-resumable, upload-offset";
/** A browser asks before it asks, and remembers the answer for so long, at most for two hours: else each piece of a file would take two trips. Seconds. */
const ALLOWED_FOR = 7_200;
const READ = "content-range, retry-after, tus-resumable, upload-length, upload-offset";

/** What a request for a file asks of the relay. */
export interface BlobDoor {
  config: Config;
  blobs: Blobs;
  store: Pick<RelayStore, "account">;
  /** Whether pages of an origin may ask. */
  mayAsk: (origin: string | undefined) => boolean;
  /** Counts a request that is refused for its address. @returns 0, or milliseconds to wait */
  visit: (request: IncomingMessage) => number;
  /** Counts one that has a token, for its file. @returns 0, or milliseconds to wait */
  rate: (id: string) => number;
  /** Lets a request take its time, if there is room for that. @returns whether it may */
  admit: (request: IncomingMessage, response: ServerResponse, owner: string) => boolean;
}

export function isBlobPath(path: string): boolean {
  return path === "/blobs" || path.startsWith("/blobs/");
}

/** Files by HTTP: tus 1.0.0, core and termination, to bring them, and `GET` to fetch them. [P-14.3] */
export async function answerBlob(request: IncomingMessage, response: ServerResponse, door: BlobDoor): Promise<void> {
  try {
    await answer(request, response, door);
  } catch (error) {
    door.blobs.failed(error, "a request for a file failed");
    if (response.headersSent) response.destroy();
    else refuseBy(response, "internal", { close: true });
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, door: BlobDoor): Promise<void> {
  /** Answers what has no token, which counts for its address. */
  const visited = (how: () => void): void => {
    const wait = door.visit(request);
    return wait === 0 ? how() : tooMany(response, wait);
  };
  const { origin } = request.headers;
  if (!door.mayAsk(origin)) return visited(() => answerEmpty(response, 403, { connection: "close" }));
  if (origin !== undefined) allow(response, origin);
  if (request.method === "OPTIONS") return visited(() => answerOptions(response, door.config));
  const found = await authorized(request, door.blobs);
  if (found === undefined) return visited(() => refuseBy(response, "unknown_blob", { close: true }));
  const wait = door.rate(found.blob.id);
  if (wait > 0) return tooMany(response, wait);
  if (!(await door.blobs.isThere())) return refuseBy(response, "storage_lost", { close: true });
  return found.by === "upload"
    ? answerUploader(request, response, found.blob, door)
    : answerReader(request, response, found.blob, door);
}

async function answerUploader(
  request: IncomingMessage,
  response: ServerResponse,
  blob: Blob,
  { blobs, store, admit }: BlobDoor,
): Promise<void> {
  if (request.headers["tus-resumable"] !== TUS_VERSION)
    return refuseBy(response, "invalid_data", { status: 412, headers: { "tus-version": TUS_VERSION }, close: true });
  // A token outlives the connections of its account. What has come of a file may be deleted still.
  const account = request.method === "DELETE" ? undefined : await store.account(blob.owner);
  if (request.method !== "DELETE" && account?.kind !== "key")
    return refuseBy(response, "unknown_blob", { close: true });
  if (account?.kind === "key" && account.disabled) return refuseBy(response, "account_disabled", { close: true });
  switch (request.method) {
    case "HEAD": {
      const come = await blobs.come(blob);
      const isAsBefore = blob.sealed || come < blob.bytes;
      // All of it had come when a relay died: it is whole only when the disk has it, which takes as long as a part.
      if (!isAsBefore && !admit(request, response, `account ${blob.owner}`)) return tooMany(response);
      const offset = isAsBefore || (await blobs.seal(blob)) ? come : await blobs.store.size(blob.id);
      return answerEmpty(response, 200, { "upload-offset": offset, "upload-length": blob.bytes });
    }
    case "PATCH":
      if (!admit(request, response, `account ${blob.owner}`)) return tooMany(response);
      return receivePart(blobs, blob, request, response);
    case "DELETE":
      if (!(await blobs.remove(blob.id, "token"))) return refuseBy(response, "unknown_blob", { close: true });
      return answerEmpty(response, 204);
    default:
      return notAllowed(response, "HEAD, PATCH, DELETE, OPTIONS");
  }
}

async function answerReader(
  request: IncomingMessage,
  response: ServerResponse,
  blob: Blob,
  { blobs, admit }: BlobDoor,
): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") return notAllowed(response, "GET, HEAD, OPTIONS");
  if (request.method === "GET" && !admit(request, response, `blob ${blob.id}`)) return tooMany(response);
  return handOut(blobs, blob, request, response);
}

/** The file that a request names, if it has one of its tokens. Whoever has none does not learn whether it is there. */
async function authorized(
  request: IncomingMessage,
  blobs: Blobs,
): Promise<{ blob: Blob; by: "upload" | "read" } | undefined> {
  const [, id] = /^\/blobs\/([0-9a-f]{32})$/.exec((request.url ?? "").split("?", 1)[0] ?? "") ?? [];
  const [, token = ""] = /^Bearer +([A-Za-z0-9+/=]{1,100})$/i.exec(request.headers.authorization ?? "") ?? [];
  if (id === undefined || token === "" || !isBase64(token)) return undefined;
  const blob = await blobs.rows.find(id);
  if (blob === undefined) return undefined;
  // Of random tokens the hashes may be compared as they are: nobody can choose what they begin with.
  const hash = createHash("sha256").update(fromBase64(token)).digest();
  if (hash.equals(blob.tokenHash)) return { blob, by: "upload" };
  return hash.equals(blob.readHash) ? { blob, by: "read" } : undefined;
}

function answerOptions(response: ServerResponse, { limits }: Config): void {
  answerEmpty(response, 204, {
    "tus-version": TUS_VERSION,
    "tus-extension": "termination",
    "tus-max-size": limits.blobBytes,
  });
}

function allow(response: ServerResponse, origin: string): void {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("vary", "origin");
  response.setHeader("access-control-allow-methods", "GET, HEAD, PATCH, DELETE, OPTIONS");
  response.setHeader("access-control-allow-headers", SENT);
  response.setHeader("access-control-expose-headers", READ);
  response.setHeader("access-control-max-age", ALLOWED_FOR);
}

function notAllowed(response: ServerResponse, methods: string): void {
  refuseBy(response, "invalid_data", { status: 405, headers: { allow: methods }, close: true });
}

function tooMany(response: ServerResponse, wait = 1000): void {
  refuseBy(response, "rate_limited", { headers: retryAfter(wait), close: true });
}
