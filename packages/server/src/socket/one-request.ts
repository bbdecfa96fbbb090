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
 * request, which was answered whole and whose body Node sees as it was seen here, another one may come. A request for an upgrade (RFC
 * 9110, section 7.8) is left as it is.
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
    if (end < 0 && head.length <= MOST_HEAD) return undefined;
    // One that is too long Node refuses, unless it does not count all of it: then nothing comes behind it.
    if (end < 0) {
      [head, body] = ["", 0];
      legibleBodies.delete(socket);
      followed.delete(socket);
      return MOST_HEAD + END.length - before;
    }
    const whole = head.slice(0, end);
    if (isUpgrade(whole)) return stop();
    head = "";
    body = bodyOf(whole);
    legibleBodies.set(socket, body);
    if (isForFile(whole)) followed.set(socket, another);
    else followed.delete(socket);
    return end + END.length - before;
  };
  const another = (): void => {
    if (!isSpoilt && body === 0) body = undefined;
  };
  const stop = (): undefined => void socket.off("data", look);
  socket.prependListener("data", look);
  return stop;
}

/** Whether another request may come behind the present one of a socket. */
export function mayBeFollowed(socket: Duplex): boolean {
  return followed.has(socket);
}

/** A request was answered: another one may come, if its body has come whole. */
export function allowAnother(socket: Duplex): void {
  const another = followed.get(socket);
  followed.delete(socket);
  another?.();
}

/**
 * Whether Node sees the same body of a request as was seen here. Where it sees another one nothing of it may be used, and what comes
 * behind it is no head of a request.
 */
export function isLegible({ socket, headers }: IncomingMessage): boolean {
  if (headers["transfer-encoding"] !== undefined) return false;
  return Number(headers["content-length"] ?? 0) === legibleBodies.get(socket);
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
