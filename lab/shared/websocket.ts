/** The client's side of RFC 6455, for sockets that keep to no rule, or cost next to nothing. */
import type { Socket } from "node:net";

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A listener to whole frames: where in a buffer, which is used again, the payload of each lies. */
export type FrameListener = (opcode: number, buffer: Buffer, start: number, end: number) => void;

/** A frame that a server takes: masked, by a mask of zeros, so that the payload stands in it as it is. */
export function maskedFrame(opcode: number, payload: Uint8Array, { fin = true, rsv = 0 } = {}): Buffer {
  const { length } = payload;
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.alloc(head + 4 + length);
  frame[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  frame[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head === 4) frame.writeUInt16BE(length, 2);
  else if (head === 10) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(payload, head + 4);
  return frame;
}

/** A text frame, ready to be written any number of times. */
export function textFrame(text: string): Buffer {
  return maskedFrame(opcodes.text, Buffer.from(text));
}

/** Makes a WebSocket of a socket to this port, and reads it from then on. Resolves when it is open. */
export function upgrade(socket: Socket, port: number, onFrame: FrameListener): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let rest: Buffer = Buffer.alloc(0);
  let isOpen = false;
  socket.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (!isOpen) {
      const end = rest.indexOf("\r\n\r\n") + 4;
      if (end < 4) return;
      if (rest.toString("latin1", 9, 12) !== "101") {
        reject(new Error(rest.toString("latin1", 0, end)));
        socket.destroy();
        return;
      }
      isOpen = true;
      resolve();
      rest = rest.subarray(end);
    }
    // What is written while a chunk is read leaves together.
    socket.cork();
    rest = readFrames(rest, onFrame);
    socket.uncork();
  });
  socket.on("error", reject);
  socket.once("close", () => reject(new Error(`port ${port} has closed a connection before it was open`)));
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YSBzb2NrZXQgb2YgbGFiIQ==\r\n\r\n",
  );
  return promise;
}

/** @returns the beginning of a frame that is not whole yet */
function readFrames(bytes: Buffer, onFrame: FrameListener): Buffer {
  let at = 0;
  while (at + 2 <= bytes.length) {
    const short = (bytes[at + 1] as number) & 0x7f;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (at + head > bytes.length) break;
    const length =
      short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
    const end = at + head + length;
    if (end > bytes.length) break;
    onFrame((bytes[at] as number) & 0xf, bytes, at + head, end);
    at = end;
  }
  return bytes.subarray(at);
}
