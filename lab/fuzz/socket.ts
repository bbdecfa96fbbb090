import { connect, type Socket } from "node:net";
import { maskedFrame, opcodes, upgrade } from "../shared/websocket.ts";

/** A WebSocket (RFC 6455) that can do what none should: any bytes, half-closes, frames that never end. */
export class FuzzSocket {
  onText: (text: string) => void = () => {};
  onPing: (payload: Buffer) => void = () => {};
  onPong: (payload: Buffer) => void = () => {};
  /** With the code of the close frame, if there was one. */
  onClose: (code: number | undefined) => void = () => {};
  readonly #socket: Socket;
  #code: number | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async open(port: number): Promise<FuzzSocket> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    const opened = new FuzzSocket(socket);
    socket.on("close", () => opened.onClose(opened.#code));
    socket.on("end", () => socket.end());
    await upgrade(socket, port, (opcode, buffer, start, end) => opened.#frame(opcode, buffer.subarray(start, end)));
    return opened;
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
