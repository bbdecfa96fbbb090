// [P-2.7] of docs/protocol.md.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { clientFrames, decodeClientFrame, decodeRelayFrame, lookAt, relayFrames } from "../../src/protocol/index.ts";

const tricky = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom(...'"\\{}[]:,du0a '.split("")) }),
  fc.constantFrom("type", "id", "data", "reply_to", "group_id", "message_id", "commit_id", "\\", '"', "\u2028", "é"),
);
const scalar = fc.oneof(tricky, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(tricky, tie("value"), { maxKeys: 4 }),
  ),
}));
const data = fc.record({ group_id: value, message_id: value, commit_id: scalar, more: value }, { requiredKeys: [] });
const frame = fc.record({ type: value, id: scalar, reply_to: scalar, data, more: value }, { requiredKeys: [] });

function measure(json: unknown): { depth: number; items: number } {
  if (typeof json !== "object" || json === null) return { depth: 0, items: 0 };
  const inner = Object.values(json).map(measure);
  const depth = 1 + Math.max(0, ...inner.map((each) => each.depth));
  return { depth, items: Math.max(1, inner.length) + inner.reduce((sum, each) => sum + each.items, 0) };
}

const text = (json: unknown): string | undefined => (typeof json === "string" && json.length <= 128 ? json : undefined);

test("a look at a frame finds what was written", () => {
  fc.assert(
    // Compared with what was written, not with what is parsed of it: V8 may lose a field whose name is written with an
    // escape, when it has parsed objects of other such names before.
    fc.property(frame, fc.nat(3), (json, indent) => {
      const written = JSON.stringify(json, undefined, indent);
      const inner: Record<string, unknown> = json.data ?? {};
      expect(lookAt(written)).toEqual({
        length: written.length,
        ...measure(json),
        type: text(json.type),
        id: text(json.id),
        reply_to: text(json.reply_to),
        group_id: text(inner["group_id"]),
        message_id: text(inner["message_id"]),
        commit_id: text(inner["commit_id"]),
      });
    }),
    { numRuns: 500 },
  );
});

test("of a field that stands there twice the last one counts, and what lies deeper does not", () => {
  const twice = '{"type":"send","type":"info","id":"1","id":2,"data":{"data":{"group_id":"x"}},"x":{"message_id":"y"}}';
  expect(lookAt(twice)).toMatchObject({ type: "info", id: undefined, group_id: undefined, message_id: undefined });
});

test("what was found in a large text does not keep the text", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const data = `{"group_id":"${"g".repeat(64)}","message":"${"x".repeat(1_000_000)}"}`;
  collect();
  const before = process.memoryUsage().heapUsed;
  const found = Array.from({ length: 100 }, () =>
    lookAt(Buffer.from(`{"type":"send","id":"${"i".repeat(60)}","data":${data}}`).toString()),
  );
  collect();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000);
  expect(found[99]?.id).toHaveLength(60);
});

test("whatever the text, a look ends", () => {
  const broken = fc.string({ unit: fc.constantFrom(...'"\\{}[]:,a '.split("")) });
  fc.assert(fc.property(broken, (written) => lookAt(written).length === written.length));
});

const unfinished = ['{"type":"info', '{"type":"info\\', '{"type":"', '{"type":', '{"', '{"type":"info"', "\\", '"'];
test.each(unfinished)("what is cut off is no frame: %s", (written) => {
  expect(decodeClientFrame(written)).toMatchObject({ bad: { reason: "invalid_frame" } });
});

const many = (count: number): string => `{${Array.from({ length: count }, (_, index) => `"k${index}":0`).join(",")}}`;
const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;
const reasonOf = (written: string) => {
  const decoded = decodeClientFrame(written);
  return "bad" in decoded ? decoded.bad : "frame";
};

test.each(["heartbeat", "info", "listen", "list_users", "lookup", "claim_keys", "received", "unregister"])(
  "%s is small",
  (type) => {
    const written = JSON.stringify({
      id: "7",
      data: { username: "bob", log_id: "", seq: 1 },
      more: "x".repeat(5000),
      type,
    });
    expect(reasonOf(written)).toEqual({ reason: "message_too_large", type, id: "7" });
    expect(reasonOf(JSON.stringify({ type, data: { username: "bob", log_id: "", seq: 1 } }))).toBe("frame");
  },
);

test.each(Object.keys(clientFrames))("many fields, or a deep nest, are not parsed: %s", (type) => {
  const bad = { reason: "invalid_data", type, id: "7" };
  for (const hostile of [`{"x":${nested(20)}}`, nested(20)])
    expect(reasonOf(`{"type":"${type}","id":"7","data":${hostile}}`)).toEqual(bad);
  const reason = reasonOf(`{"type":"${type}","data":${many(20_000)},"id":"7"}`);
  expect([bad, { ...bad, reason: "message_too_large" }]).toContainEqual(reason);
});

const elements = JSON.stringify(Array.from({ length: 250_000 }, () => 0));
test.each(Object.keys(relayFrames))("nor of a relay, whose answer still names its request: %s", (type) => {
  for (const hostile of [`{"x":${nested(20)}}`, elements])
    expect(decodeRelayFrame(`{"type":"${type}","data":${hostile},"reply_to":"7"}`)).toEqual({ bad: { replyTo: "7" } });
});

test("what is bounded as one type is not read as another", () => {
  for (const written of [
    String.raw`{"type":"heartbeat","id":"7","t\u0079pe":"send","data":{"to":"bob","message":"x"}}`,
    String.raw`{"t\u0079pe":"send","id":"7","data":{"to":"bob","message":"x"}}`,
  ])
    expect(reasonOf(written)).toEqual({ reason: "invalid_frame", type: undefined, id: "7" });
  expect(reasonOf(String.raw`{"type":"\u0069nfo"}`)).toBe("frame");
});

const each = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

test("the largest honest commit is read", () => {
  const [username, device] = ["u".repeat(32), "d".repeat(22)];
  const data = {
    commit_id: "c",
    group_id: "a".repeat(64),
    epoch: 0,
    members: each(1000, () => ({ username, device })),
    welcomes: each(1000, () => ({ to: username, device, welcome: "AAAA" })),
    messages: each(100, (index) => ({ to: username, message: "AAAA", message_id: `m${index}`, expires_at: 5 })),
  };
  expect(reasonOf(JSON.stringify({ type: "commit", id: "1", timestamp: 1, data }, undefined, 2))).toBe("frame");
});
