import type { Link } from "./link.ts";
import type { Breach } from "./plans.ts";
import { maskedFrame, opcodes } from "../shared/websocket.ts";

/** Breaks the rules of RFC 6455 or the relay's [P-1.3], so that the connection has to end. */
export function breach(link: Link, how: Breach): void {
  const { text, continuation, close, ping } = opcodes;
  const hello = Buffer.from("{}");
  switch (how) {
    case "utf8":
      link.expectClose(1007);
      return link.bytes(maskedFrame(text, Buffer.from([0x7b, 0xff, 0xfe, 0x7d])));
    case "fragments": {
      link.expectClose(1008);
      link.bytes(maskedFrame(text, hello, { fin: false }));
      const piece = maskedFrame(continuation, Buffer.from(" "), { fin: false });
      return link.bytes(Buffer.concat(Array.from({ length: 300 }, () => piece)));
    }
    case "oversize": {
      link.expectClose(1009);
      const frame = maskedFrame(text, hello);
      const huge = Buffer.concat([
        frame.subarray(0, 1),
        Buffer.from([0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]),
        hello,
      ]);
      return link.bytes(huge);
    }
    case "opcode":
      link.expectClose(1002);
      return link.bytes(maskedFrame(3, hello));
    case "rsv":
      link.expectClose(1002);
      return link.bytes(maskedFrame(text, hello, { rsv: 4 }));
    case "unmasked":
      link.expectClose(1002);
      return link.bytes(Buffer.concat([Buffer.from([0x81, hello.length]), hello]));
    case "long control":
      link.expectClose(1002);
      return link.bytes(maskedFrame(ping, Buffer.alloc(200)));
    case "continuation":
      link.expectClose(1002);
      return link.bytes(maskedFrame(continuation, hello));
    case "close code":
      link.expectClose(1002);
      return link.bytes(maskedFrame(close, Buffer.from([0x03, 0xed])));
  }
}
