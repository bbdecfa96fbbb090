import type { Duplex } from "node:stream";

/** As `maxHeaderSize` of Node. */
const MOST_HEAD = 2 ** 14;
const END = "\r\n\r\n";

/**
 * Lets a socket ask for one thing. Node parses everything that has come, and 64 KiB of tiny requests cost it 20 ms, before
 * anybody may count them: what comes behind the head of the first request is made illegible, so that the parser stops there.
 * A request for an upgrade (RFC 9110, section 7.8) is left as it is. @returns what ends this
 */
export function allowOneRequest(socket: Duplex): () => void {
  let head = "";
  let isWhole = false;
  const look = (chunk: Buffer): void => {
    if (isWhole) return void chunk.fill(0);
    const before = head.length;
    // One character a byte.
    head += chunk.toString("latin1", 0, MOST_HEAD + END.length);
    const end = head.indexOf(END, Math.max(0, before - END.length));
    // Node refuses one that is too long.
    if (end < 0) return head.length > MOST_HEAD ? stop() : undefined;
    if (isUpgrade(head.slice(0, end))) return stop();
    isWhole = true;
    head = "";
    chunk.fill(0, end + END.length - before);
  };
  const stop = (): void => void socket.off("data", look);
  socket.prependListener("data", look);
  return stop;
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
