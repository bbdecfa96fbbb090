import { garbledArgument } from "@aimessage/sdk/program";
import { expect, test } from "vitest";

const typed = (...bytes: number[]) => new Uint8Array(bytes);

test("an argument that was no UTF-8 is found, one in which U+FFFD was typed is as it should be", () => {
  expect(garbledArgument(["send", "caf\u{fffd}"], () => typed(0x63, 0x61, 0x66, 0xe9, 0))).toBe("caf\u{fffd}");
  expect(garbledArgument(["send", "\u{fffd}"], () => typed(0xef, 0xbf, 0xbd, 0))).toBeUndefined();
  expect(garbledArgument(["send", "café"], () => typed(0xe9))).toBeUndefined();
});

test("where the system does not tell what was typed, none with U+FFFD is taken", () => {
  expect(garbledArgument(["\u{fffd}"], () => undefined)).toBe("\u{fffd}");
});
