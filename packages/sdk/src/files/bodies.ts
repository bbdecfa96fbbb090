/** Commits and trees of teams that are too large for a frame: blobs at the relay, sealed before they come here. [P-6.10] */
import { toBase64 } from "../protocol/index.ts";
import { AgentError } from "../errors.ts";
import { blobUrl } from "./blob-url.ts";
import type { FileHost, HttpAnswer } from "./host.ts";
import { isOfRelay, notNow } from "./relay-word.ts";

const TUS = { "tus-resumable": "1.0.0" };
/** More than any commit or tree has. Bytes. */
const MOST_BYTES = 8 * 2 ** 20;
/** Sent at once where the relay does not say how much. Bytes. */
const PIECE_BYTES = 2 ** 20;
/** What is brought again in a row while the relay says that it is elsewhere. */
const MOST_IN_VAIN = 5;

/** How a runtime asks a relay by HTTP. */
export type Request = FileHost["request"];

/** Where a commit or a tree lies, as frames say it: `token` and `sha256` are base64. */
export interface BodyAtRelay {
  blob: string;
  token: string;
  bytes: number;
  sha256: string;
}

export interface BodyMeans {
  request: Request;
  /** URL of the relay. */
  server: string;
  signal: AbortSignal;
}

/**
 * Fetches one. Undefined: the relay does not have it, or has something else.
 * @throws AgentError relay_unreachable: another time; aborted
 */
export async function fetchBody(
  { request, server, signal }: BodyMeans,
  { blob, token, bytes, sha256 }: BodyAtRelay,
): Promise<Uint8Array | undefined> {
  if (bytes > MOST_BYTES) return undefined;
  const headers = { ...TUS, authorization: `Bearer ${token}` };
  const answer = await request(blobUrl(server, blob), { method: "GET", headers, signal });
  if (!isOfRelay(answer)) throw notNow(answer);
  if (answer.status === 404 || answer.status === 410) return undefined;
  if (answer.status !== 200) throw notNow(answer);
  const body = new Uint8Array(bytes);
  let come = 0;
  for await (const piece of answer.body) {
    if (come + piece.length > bytes) return undefined;
    body.set(piece, come);
    come += piece.length;
  }
  // What was cut off is fetched again.
  if (come < bytes) throw new AgentError("relay_unreachable", "the relay has sent less of a commit than there is");
  return (await digestOf(body)) === sha256 ? body : undefined;
}

/** What the relay has said of a blob that it has room for. */
export interface Place {
  blob: string;
  /** The upload token. */
  token: string;
  offset?: number | undefined;
  piece_bytes?: number | undefined;
}

/**
 * Brings one to where the relay has room for it.
 * @returns false if the relay does not know that place any more
 * @throws AgentError relay_unreachable: another time; aborted
 */
export async function bringBody(means: BodyMeans, place: Place, body: Uint8Array): Promise<boolean> {
  const { piece_bytes: most = PIECE_BYTES } = place;
  let { offset = 0 } = place;
  for (let vain = 0; offset < body.length;) {
    const piece = body.subarray(offset, offset + Math.max(1, most));
    const answer = await patch(means, place, { offset, piece });
    const { status, headers } = answer;
    if (status !== 413 && !isOfRelay(answer)) throw notNow(answer);
    if (status === 404 || status === 410) return false;
    const reached = Number(headers["upload-offset"]);
    const isKnown = Number.isSafeInteger(reached) && reached >= 0 && reached <= body.length;
    if ((status !== 204 && status !== 409) || !isKnown) throw notNow(answer);
    vain = reached > offset ? 0 : vain + 1;
    if (vain > MOST_IN_VAIN) throw new AgentError("relay_unreachable", "the relay takes nothing of a commit");
    offset = reached;
  }
  return true;
}

async function patch(
  { request, server, signal }: BodyMeans,
  { blob, token }: Place,
  { offset, piece }: { offset: number; piece: Uint8Array },
): Promise<HttpAnswer> {
  const headers = {
    ...TUS,
    authorization: `Bearer ${token}`,
    "content-type": "application/offset+octet-stream",
    "upload-offset": String(offset),
    "content-length": String(piece.length),
  };
  return request(blobUrl(server, blob), { method: "PATCH", headers, body: once(piece), signal });
}

async function* once(piece: Uint8Array): AsyncGenerator<Uint8Array> {
  yield piece;
}

/** SHA-256, in base64. */
export async function digestOf(bytes: Uint8Array): Promise<string> {
  return toBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)));
}
