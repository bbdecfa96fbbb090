import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

/** As `maxHeaderSize` of Node. */
const MOST_HEAD = 2 ** 14;
const END = "\r\n\r\n";

/** Sockets whose present request may be followed by another one. */
const followed = new WeakMap<Duplex, () => void>();

/** Of the present request of a socket: bytes of its body that are left as they came. */
const legibleBodies = new WeakMap<Duplex, number>();

/**
 * Lets a socket ask for one thing at a time. Node parses everything that has come, and 64 KiB of tiny requests cost it 20 ms, before
 * anybody may count them: what comes behind the first request is made illegible, so that the parser stops there. Behind a file's
 * request, which was answered whole, another one may come. A request for an upgrade (RFC 9110, section 7.8) is left as it is.
 * @returns what ends this
 */
export function allowOneRequest(socket: Duplex): () => void {
  let head = "";
  /** Bytes of the body that may still come; undefined: the head has not come whole. */
  let body: number | undefined;
  /** Something was made illegible. */
  let isSpoilt = false;
  const look = (chunk: Buffer): void => {
    const begin = body === undefined ? lookForHead(chunk) : 0;
    if (body === undefined || begin === undefined) return;
    const rest = chunk.length - begin;
    const legible = Math.min(rest, body);
    body -= legible;
    if (legible === rest) return;
    isSpoilt = true;
    chunk.fill(0, begin + legible);
  };
  /** @returns where in a chunk the head ends, if it does; undefined if this was ended */
  const lookForHead = (chunk: Buffer): number | undefined => {
    const before = head.length;
    // One character a byte.
    head += chunk.toString("latin1", 0, MOST_HEAD + END.length);
    const end = head.indexOf(END, Math.max(0, before - END.length));
    // Node refuses one that is too long.
    if (end < 0) return head.length > MOST_HEAD ? stop() : undefined;
    const whole = head.slice(0, end);
    if (isUpgrade(whole)) return stop();
    head = "";
    body = bodyOf(whole);
    legibleBodies.set(socket, body);
    if (isForFile(whole)) followed.set(socket, another);
    return end + END.length - before;
  };
  const another = (): void => {
    if (!isSpoilt && body === 0) body = undefined;
  };
  const stop = (): undefined => void socket.off("data", look);
  socket.prependListener("data", look);
  return stop;
}

/** A request was answered. @returns whether another one may come */
export function allowAnother(socket: Duplex): void {
  const another = followed.get(socket);
  followed.delete(socket);
  another?.();
}

/** Whether the body of a request is what was sent. Node may see one where none was seen here: of that nothing may be used. */
export function isLegible({ socket, headers }: IncomingMessage): boolean {
  const length = headers["content-length"];
  return length === undefined || Number(length) === legibleBodies.get(socket);
}

function isForFile(head: string): boolean {
  return /^[A-Z]+ \/blobs\/[^\r\n]* HTTP\/1\.1\r\n/.test(head);
}

/** Bytes that belong to a request: the part of a file that is brought, if it says how long that is. All others have none. Proxies may say HTTP/1.0. */
function bodyOf(head: string): number {
  if (!/^PATCH \/blobs\/[^\r\n]* HTTP\/1\.[01]\r\n/.test(head) || /^transfer-encoding:/im.test(head)) return 0;
  const [length, another] = head.match(/^content-length:.*$/gim) ?? [];
  const [, digits] = /^content-length:[ \t]*(\d{1,15})[ \t]*\r?$/i.exec(length ?? "") ?? [];
  return digits === undefined || another !== undefined ? 0 : Number(digits);
}

/** As Node sees it: both headers, one of which names the other, and that one alone, for a WebSocket. */
function isUpgrade(head: string): boolean {
  const [upgrade, another] = head.match(/^upgrade:.*$/gim) ?? [];
  return (
    another === undefined &&
    /^upgrade:[ \t]*websocket[ \t]*\r?$/i.test(upgrade ?? "") &&
    /^connection:(?:[^\r\n]*,)?[ \t]*upgrade[ \t]*(?:,[^\r\n]*)?\r?$/im.test(head)
  );
}
