import { Violation } from "../violation.ts";
import type { Answer } from "./answers.ts";
import type { Written } from "./write.ts";

/** All that a relay may say to requests for files: nothing goes wrong in it, whatever it is asked. */
const STATUSES = new Set([
  200, 204, 206, 400, 403, 404, 405, 408, 409, 411, 412, 413, 415, 416, 417, 426, 429, 431, 505,
]);
/** What Node says of what it cannot read, before the relay sees it. */
const UNREADABLE = new Set([400, 408, 411, 413, 417, 431, 505]);
const SAFE = { "cache-control": "no-store", "x-content-type-options": "nosniff", "content-security-policy": "sandbox" };

/**
 * What an answer says of its file is remembered.
 * @param isWhole All of the request was sent.
 * @throws Violation if it is none that the request may have
 */
export function judge(written: Written, answer: Answer, isWhole: boolean): void {
  const { plan, by, file } = written;
  const { status, headers } = answer;
  const wasRemoved = file.removed;
  if (!STATUSES.has(status)) throw wrong("no such answer is possible", answer);
  // Who asks for a WebSocket is told that there is none.
  if (plan.path !== "right" || plan.extra.includes("Upgrade: websocket")) return;
  if (!UNREADABLE.has(status))
    for (const [name, value] of Object.entries(SAFE))
      if (headers.get(name) !== value) throw wrong(`${name} is ${headers.get(name)}`, answer);
  if (status < 300 && plan.method !== "OPTIONS") {
    if (by === "nobody" || wasRemoved) throw wrong("nobody has a token for this", answer);
    allowed(written, answer);
  }
  if (status >= 400 && headers.get("content-type") === "application/json") readable(answer);
  if (status === 409) offsetIn(answer, file.content.length);
  if (status === 416 && headers.get("content-range") !== `bytes */${file.content.length}`)
    throw wrong("the size is another one", answer);
  if (wasRemoved && by !== undefined && status !== 404 && isWhole && written.clean && plan.method !== "OPTIONS")
    throw wrong("it was removed", answer);
}

function allowed({ plan, by, file, offset, length }: Written, answer: Answer): void {
  const { status } = answer;
  switch (plan.method) {
    case "PATCH": {
      const end = offsetIn(answer, file.content.length);
      if (by === "read" || status !== 204) throw wrong("this brings nothing", answer);
      if (end !== offset + length) throw wrong(`${length} bytes were brought at ${offset}`, answer);
      file.acknowledged = Math.max(file.acknowledged, end);
      return;
    }
    case "DELETE":
      if (by === "read" || status !== 204) throw wrong("this removes nothing", answer);
      file.removed = true;
      return;
    case "HEAD":
      if (answer.headers.has("upload-offset")) {
        if (offsetIn(answer, file.content.length) < file.acknowledged)
          throw wrong(`${file.acknowledged} bytes were acknowledged`, answer);
        return;
      }
      return rangeIn(answer, file.content.length) && undefined;
    case "GET": {
      const [start, end] = rangeIn(answer, file.content.length);
      if (by === "upload" || !answer.body.equals(file.content.subarray(start, end)))
        throw wrong(`these are not the bytes ${start} to ${end}`, answer);
      return;
    }
    default:
      throw wrong(`${plan.method} does nothing`, answer);
  }
}

function offsetIn(answer: Answer, size: number): number {
  const text = answer.headers.get("upload-offset") ?? "";
  if (!/^\d+$/.test(text) || Number(text) > size) throw wrong(`of ${size} bytes`, answer);
  return Number(text);
}

/** The bytes that an answer says that it has. */
function rangeIn(answer: Answer, size: number): [start: number, end: number] {
  const { status, headers } = answer;
  const length = Number(headers.get("content-length"));
  if (status === 200 && length === size) return [0, size];
  const [, first, last, all] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers.get("content-range") ?? "") ?? [];
  const [start, end] = [Number(first), Number(last) + 1];
  if (status === 206 && Number(all) === size && start < end && end <= size && length === end - start)
    return [start, end];
  throw wrong(`it is no range of ${size} bytes`, answer);
}

function readable(answer: Answer): void {
  try {
    const { reason } = JSON.parse(answer.body.toString()) as { reason?: unknown };
    if (typeof reason === "string") return;
  } catch {
    // It is said below.
  }
  // The answer to HEAD has none.
  if (answer.body.length > 0) throw wrong("nobody can read this", answer);
}

function wrong(why: string, { status, headers, body }: Answer): Violation {
  const head = [...headers].map(([name, value]) => `${name}: ${value}`).join(", ");
  return new Violation(`${status} (${head}) with ${body.length} bytes: ${why}`);
}
