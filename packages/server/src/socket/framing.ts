/** The room of a piece beside its bytes, while its message is not whole. */
const PIECE = 128;

/**
 * Follows what comes on a WebSocket by the headers of its frames alone (RFC 6455, section 5.2). Of a message that is not whole
 * there is no other sign. Frames that break the protocol end the connection elsewhere.
 */
export class Framing {
  /** How long the message is that is not whole, as far as it has been said; 0 if there is none. */
  length = 0;
  #pieces = 0;
  /** Payload of the present frame that is to come. */
  #left = 0;
  #header = 0;
  #opcode = 0;
  #isLast = false;
  #begun = false;
  /** Bytes of the header that are to come, and how many of those belong to the length. */
  #ahead = 0;
  #ofLength = 0;
  #payload = 0;

  /** Takes what the system has read at once. */
  read(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#left -= taken;
        at += taken;
      } else this.#readHeader(chunk[at++] as number);
      if (this.#left === 0 && this.#header === 0) this.#endFrame();
    }
    if (this.#begun) this.#pieces += 1;
  }

  /** Bytes of that message that have come. */
  get come(): number {
    return this.#isData ? this.length - this.#left : this.length;
  }

  /** What it takes until it is whole. Bytes. */
  get held(): number {
    return Math.max(this.come, this.#pieces * PIECE);
  }

  get #isData(): boolean {
    return this.#opcode < 8;
  }

  /** `header` counts the bytes of a header that has begun; 0 once it is whole. */
  #readHeader(byte: number): void {
    this.#header += 1;
    if (this.#header === 1) {
      this.#opcode = byte & 15;
      this.#isLast = (byte & 128) !== 0;
    } else if (this.#header === 2) {
      const short = byte & 127;
      this.#ofLength = short === 127 ? 8 : short === 126 ? 2 : 0;
      this.#payload = this.#ofLength === 0 ? short : 0;
      this.#ahead = this.#ofLength + ((byte & 128) === 0 ? 0 : 4);
    } else {
      this.#ahead -= 1;
      if (this.#ofLength > 0) {
        this.#payload = this.#payload * 256 + byte;
        this.#ofLength -= 1;
      }
    }
    if (this.#header < 2 || this.#ahead > 0) return;
    this.#header = 0;
    this.#left = this.#payload;
    if (!this.#isData) return;
    this.#begun = true;
    this.length += this.#payload;
  }

  #endFrame(): void {
    if (!this.#isData || !this.#isLast) return;
    this.#begun = false;
    this.#pieces = 0;
    this.length = 0;
  }
}
