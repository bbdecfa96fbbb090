import { randomBytes } from "node:crypto";
import type { File } from "./file.ts";
import type { RequestPlan } from "./plans.ts";

/** A request as it is sent, and what that says of its answer. */
export interface Written {
  plan: RequestPlan;
  file: File;
  bytes: Buffer;
  /** By whom it is, as the relay must see it; undefined where it may see it either way. */
  by: "upload" | "read" | "nobody" | undefined;
  /** All of it is as HTTP and tus have it: it is answered. */
  clean: boolean;
  /** Where its part begins, and how long that is. */
  offset: number;
  length: number;
}

const wrong = randomBytes(32).toString("base64");
/** Requests by which it is seen what was meant. */
const KNOWN = new Set(["GET", "HEAD", "PATCH", "DELETE", "OPTIONS"]);

/** The bytes of a request. @param other Another file, of which the token may be meant. */
export function write(plan: RequestPlan, file: File, other: File): Written {
  const { method } = plan;
  const isPart = method === "PATCH";
  const offset = offsetOf(plan, file);
  const rest = file.content.subarray(Math.min(offset, file.content.length));
  const body = isPart ? rest.subarray(0, Math.ceil((rest.length * plan.part) / 1000)) : Buffer.alloc(0);
  const lines = [
    `${method} ${pathOf(plan, file)} HTTP/${plan.version}`,
    "Host: localhost",
    ...tokenLines(plan, file, other),
  ];
  if (plan.tus !== undefined) lines.push(`Tus-Resumable: ${plan.tus}`);
  if (plan.range !== undefined) lines.push(`Range: ${plan.range}`);
  if (isPart) lines.push(...partLines(plan, offset, body.length));
  lines.push(...plan.extra);
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  const isChunked = isPart && (plan.length === "chunked" || plan.length === "both");
  const sent = isChunked ? Buffer.concat([chunkHead(body), body, Buffer.from("\r\n0\r\n\r\n")]) : body;
  return {
    plan,
    file,
    bytes: Buffer.concat([head, sent]),
    by: byOf(plan),
    clean: isClean(plan),
    offset,
    length: body.length,
  };
}

function chunkHead({ length }: Buffer): Buffer {
  return Buffer.from(`${length.toString(16)}\r\n`);
}

function offsetOf({ offset }: RequestPlan, { acknowledged }: File): number {
  return typeof offset === "object" && "beside" in offset ? Math.max(0, acknowledged + offset.beside) : acknowledged;
}

function partLines({ offset, length, type }: RequestPlan, at: number, bytes: number): string[] {
  const lines = type === undefined ? [] : [`Content-Type: ${type}`];
  if (typeof offset === "object" && "text" in offset) lines.push(`Upload-Offset: ${offset.text}`);
  else if (offset !== "none") lines.push(`Upload-Offset: ${at}`);
  if (offset === "twice") lines.push(`Upload-Offset: ${at + 1}`);
  if (typeof length === "object") lines.push(`Content-Length: ${length.text}`);
  if (length === "right" || length === "both" || length === "twice") lines.push(`Content-Length: ${bytes}`);
  if (length === "beyond") lines.push(`Content-Length: ${bytes + 1_000_000}`);
  if (length === "twice") lines.push(`Content-Length: ${bytes + 1}`);
  if (length === "chunked" || length === "both") lines.push("Transfer-Encoding: chunked");
  return lines;
}

function pathOf({ path }: RequestPlan, { blob }: File): string {
  const right = `/blobs/${blob}`;
  const all: Record<RequestPlan["path"], string> = {
    right,
    query: `${right}?a=b&c`,
    upper: `/blobs/${blob.toUpperCase()}`,
    slash: `${right}/`,
    double: `/${right}`,
    dots: `/blobs/../blobs/${blob}`,
    percent: `${right}%00`,
    absolute: `http://localhost${right}`,
    short: right.slice(0, -1),
    long: `${right}${"0".repeat(9000)}`,
  };
  return all[path];
}

function tokenLines({ token, method }: RequestPlan, file: File, other: File): string[] {
  const right = method === "GET" ? file.readToken : file.token;
  const all: Record<RequestPlan["token"], string[]> = {
    right: [`Bearer ${right}`],
    read: [`Bearer ${file.readToken}`],
    upload: [`Bearer ${file.token}`],
    other: [`Bearer ${method === "GET" ? other.readToken : other.token}`],
    wrong: [`Bearer ${wrong}`],
    none: [],
    scheme: [`Basic ${right}`],
    twice: [`Bearer ${wrong}`, `Bearer ${right}`],
    long: [`Bearer ${"A".repeat(10_000)}`],
  };
  return all[token].map((value) => `Authorization: ${value}`);
}

function byOf({ path, token, method }: RequestPlan): Written["by"] {
  if (path === "absolute" || token === "twice") return undefined;
  if (path !== "right" && path !== "query") return "nobody";
  if (token === "right") return method === "GET" ? "read" : "upload";
  return token === "read" || token === "upload" ? token : "nobody";
}

function isClean({ method, path, extra, version, length, offset }: RequestPlan): boolean {
  const isPartClean = method !== "PATCH" || (length === "right" && offset !== "none" && offset !== "twice");
  // A character that is none of Latin 1 is another one on the way.
  const isOffsetClean = typeof offset !== "object" || !("text" in offset) || /^[ -~]*$/.test(offset.text);
  return (
    KNOWN.has(method) && path !== "long" && extra.length === 0 && version === "1.1" && isPartClean && isOffsetClean
  );
}
