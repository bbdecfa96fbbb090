import { maskedFrame, opcodes } from "../shared/websocket.ts";
import type { Connection } from "./connection.ts";
import type { Breach } from "./plans.ts";

/** Breaks the rules of RFC 6455 or the relay's [P-1.3], so that the connection has to end. */
export function breach(connection: Connection, how: Breach): void {
  const { text, continuation, close, ping } = opcodes;
  const hello = Buffer.from("{}");
  switch (how) {
    case "utf8":
      connection.expectClose(1007);
      return connection.bytes(maskedFrame(text, Buffer.from([0x7b, 0xff, 0xfe, 0x7d])));
    case "fragments": {
      connection.expectClose(1008);
      connection.bytes(maskedFrame(text, hello, { fin: false }));
      const piece = maskedFrame(continuation, Buffer.from(" "), { fin: false });
      return connection.bytes(Buffer.concat(Array.from({ length: 300 }, () => piece)));
    }
    case "oversize": {
      connection.expectClose(1009);
      const frame = maskedFrame(text, hello);
      const huge = Buffer.concat([
        frame.subarray(0, 1),
        Buffer.from([0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]),
        hello,
      ]);
      return connection.bytes(huge);
    }
    case "opcode":
      connection.expectClose(1002);
      return connection.bytes(maskedFrame(3, hello));
    case "rsv":
      connection.expectClose(1002);
      return connection.bytes(maskedFrame(text, hello, { rsv: 4 }));
    case "unmasked":
      connection.expectClose(1002);
      return connection.bytes(Buffer.concat([Buffer.from([0x81, hello.length]), hello]));
    case "long control":
      connection.expectClose(1002);
      return connection.bytes(maskedFrame(ping, Buffer.alloc(200)));
    case "continuation":
      connection.expectClose(1002);
      return connection.bytes(maskedFrame(continuation, hello));
    case "close code":
      connection.expectClose(1002);
      return connection.bytes(maskedFrame(close, Buffer.from([0x03, 0xed])));
  }
}
