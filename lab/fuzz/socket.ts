import { connect, type Socket } from "node:net";

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

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

/** A WebSocket (RFC 6455) that can do what none should: any bytes, half-closes, frames that never end. */
export class FuzzSocket {
  onText: (text: string) => void = () => {};
  onPing: (payload: Buffer) => void = () => {};
  onPong: (payload: Buffer) => void = () => {};
  /** With the code of the close frame, if there was one. */
  onClose: (code: number | undefined) => void = () => {};
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #code: number | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static open(port: number): Promise<FuzzSocket> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    const opened = new FuzzSocket(socket);
    return new Promise((resolve, reject) => {
      socket.on("error", (error) => reject(error));
      socket.on("close", () => opened.onClose(opened.#code));
      socket.once("close", () => reject(new Error("closed before it was open")));
      let head = Buffer.alloc(0);
      const onHead = (chunk: Buffer): void => {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf("\r\n\r\n") + 4;
        if (end < 4) return;
        socket.off("data", onHead);
        if (head.toString("latin1", 9, 12) !== "101") {
          reject(new Error(head.toString("latin1", 0, end)));
          socket.destroy();
          return;
        }
        socket.on("data", (data: Buffer) => opened.#receive(data));
        socket.on("end", () => socket.end());
        resolve(opened);
        opened.#receive(head.subarray(end));
      };
      socket.on("data", onHead);
      socket.write(
        `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ZnV6emZ1enpmdXp6ZnV6eg==\r\n\r\n",
      );
    });
  }

  text(bytes: Uint8Array): void {
    this.bytes(maskedFrame(opcodes.text, bytes));
  }

  frame(opcode: number, payload: Uint8Array = Buffer.alloc(0)): void {
    this.bytes(maskedFrame(opcode, payload));
  }

  /** Whatever bytes. */
  bytes(bytes: Uint8Array): void {
    if (!this.#socket.writableEnded && !this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** Ends our side and leaves the other open. */
  halfClose(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at + 2 <= bytes.length) {
      const short = (bytes[at + 1] as number) & 0x7f;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (at + head > bytes.length) break;
      const length =
        short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
      const end = at + head + length;
      if (end > bytes.length) break;
      this.#frame((bytes[at] as number) & 0xf, bytes.subarray(at + head, end));
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }

  #frame(opcode: number, payload: Buffer): void {
    if (opcode === opcodes.text) this.onText(payload.toString());
    else if (opcode === opcodes.ping) this.onPing(payload);
    else if (opcode === opcodes.pong) this.onPong(payload);
    else if (opcode === opcodes.close) {
      this.#code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      // The echo of RFC 6455, section 5.5.1.
      this.frame(opcodes.close, payload);
    }
  }
}
