import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ClientFrameType,
  clientFrames,
  decodeClientFrame,
  decodeRelayFrame,
  encodeClientFrame,
  encodeRelayFrame,
  relayFrames,
} from "../../src/protocol/index.ts";

const types = [...new Set([...Object.keys(clientFrames), ...Object.keys(relayFrames)])];
const client = (frame: unknown) => decodeClientFrame(JSON.stringify(frame));
const relay = (frame: unknown) => decodeRelayFrame(JSON.stringify(frame));
const publish = (key: string) => client({ type: "publish_keys", data: { key_packages: [key] } });
const commit = (bytes: string) =>
  client({ type: "commit", data: { commit_id: "c", group_id: "a".repeat(64), epoch: 1, commit: bytes } });
const members = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ username: `member-${at}`, device: `device-${at}` }));
const invalid = (type: string, id?: string) => ({ bad: { reason: "invalid_data", type, id } });

describe("a frame", () => {
  it("of a client comes back as it was written, with a time in Unix seconds", () => {
    const data = { to: "bob", message: "text \0 \u{1f600}", message_id: "m-1", expires_at: 5 };
    const text = encodeClientFrame("send", "1", data);
    expect(decodeClientFrame(text)).toEqual({ frame: { type: "send", id: "1", data } });
    const { timestamp } = JSON.parse(text) as { timestamp: number };
    expect(Math.abs(timestamp - Date.now() / 1000)).toBeLessThan(3600);
  });

  it("of a relay comes back as it was written, with the request that it answers", () => {
    const data = { status: "delivered", message_id: "m-1" };
    expect(decodeRelayFrame(encodeRelayFrame("ack", "9", "1", data))).toEqual({
      frame: { type: "ack", replyTo: "1", data },
    });
  });

  it("is read without its unknown fields, at any level", () => {
    expect(client({ type: "lookup", id: "1", version: 7, data: { username: "bob", later: [1] } })).toEqual({
      frame: { type: "lookup", id: "1", data: { username: "bob" } },
    });
    const device = { id: "d", key: "AAAA", certificate: "AAAA" };
    expect(
      relay({
        type: "agent",
        more: 1,
        data: { username: "bob", kind: "key", more: 1, device: { ...device, more: 1 } },
      }),
    ).toEqual({
      frame: { type: "agent", replyTo: undefined, data: { username: "bob", kind: "key", device } },
    });
  });

  it("that commits to a team can be read by those who follow it, however many it adds and removes", () => {
    const group = { group_id: "a".repeat(64), epoch: 2, body: "AAAA" };
    const frame = (add: number) =>
      client({
        type: "commit",
        data: { ...group, commit_id: "c", team: true, add: members(add), remove: members(1000) },
      });
    expect(frame(200)).toHaveProperty("frame");
    expect(frame(201)).toEqual(invalid("commit"));
    const named = { add: members(200), remove: members(1000) };
    const place = { from: "alice", device: "d", kind: "commit", message_id: "c", seq: 1, timestamp: 1 };
    expect(relay({ type: "message", data: { ...group, ...place, ...named } })).toMatchObject({
      frame: { data: named },
    });
  });

  it.each(["listen", "list_users", "heartbeat", "info", "unregister"])("%s needs no data", (type) => {
    for (const frame of [{ type }, { type, data: null }, { type, data: {} }, { type, data: { extra: 1 } }])
      expect(client(frame)).toMatchObject({ frame: { type } });
    for (const data of [1, "text", true]) expect(client({ type, data })).toEqual(invalid(type));
  });

  it("of a newer relay may have reasons, statuses and features that we do not know", () => {
    expect(relay({ type: "error", data: { code: 418, message: "No", reason: "teapot" } })).toMatchObject({
      frame: { data: { reason: "teapot" } },
    });
    expect(relay({ type: "error", data: { code: 500, message: "No" } })).toMatchObject({
      frame: { data: { reason: "internal" } },
    });
    expect(relay({ type: "ack", data: { status: "teleported" } })).toMatchObject({ frame: { type: "ack" } });
  });
});

describe("a client's frame is refused", () => {
  it.each([
    "",
    " ",
    "null",
    "1",
    '"text"',
    "[]",
    "{}",
    "{",
    '{"type":1}',
    '{"type":null}',
    "{'type':'info'}",
    '{"type":"info"}{"type":"info"}',
    "\u{feff}{}",
    "NaN",
  ])("if it is no JSON object with a type: %j", (text) => {
    expect(decodeClientFrame(text)).toEqual({ bad: { reason: "invalid_frame", type: undefined, id: undefined } });
  });

  it.each(['{"id":"7"}', '{"type":1,"id":"7"}', '{"type":"info","id":"7","reply_to":1}'])(
    "by its id, if that is all that can be read: %s",
    (text) => {
      expect(decodeClientFrame(text)).toEqual({ bad: { reason: "invalid_frame", type: undefined, id: "7" } });
    },
  );

  it.each(['{"reply_to":"7"}', '{"type":1,"reply_to":"7"}', '{"type":"ack","id":1,"reply_to":"7"}'])(
    "by what it answers, if that is all that can be read: %s",
    (text) => {
      expect(decodeRelayFrame(text)).toEqual({ bad: { replyTo: "7" } });
    },
  );

  it.each([1, null, {}, [], true, "i".repeat(129)])("if its id is no short text: %j", (id) => {
    expect(client({ type: "info", id })).toMatchObject({ bad: { reason: "invalid_frame" } });
  });

  it.each(["", "teleport", "SEND", "send ", "__proto__", "constructor", "toString", "hasOwnProperty", "ack"])(
    "by name if its type is unknown: %j",
    (type) => {
      expect(client({ type, id: "7", data: {} })).toEqual({ bad: { reason: "unknown_type", type, id: "7" } });
    },
  );

  const group = "0".repeat(64);
  it.each<[ClientFrameType, unknown]>([
    ["send", undefined],
    ["send", null],
    ["send", []],
    ["send", "text"],
    ["send", { to: "bob" }],
    ["send", { to: "bob", message: 1 }],
    ["send", { to: ["bob"], message: "" }],
    ["send", { to: "b".repeat(65), message: "" }],
    ["send", { to: "bob", message: "", message_id: "" }],
    ["send", { to: "bob", message: "", message_id: "a b" }],
    ["send", { to: "bob", message: "", message_id: "a\n" }],
    ["send", { to: "bob", message: "", message_id: "../../etc" }],
    ["send", { to: "bob", message: "", message_id: "m".repeat(65) }],
    ["send", { to: "bob", message: "", group_id: group.toUpperCase().replaceAll("0", "A") }],
    ["send", { to: "bob", message: "", group_id: group.slice(1) }],
    ["send", { to: "bob", message: "", epoch: -1 }],
    ["send", { to: "bob", message: "", epoch: 1.5 }],
    ["send", { to: "bob", message: "", epoch: "1" }],
    ["send", { to: "bob", message: "", expires_at: 2 ** 53 }],
    ["send", { to: "bob", message: "", resume: "yes" }],
    ["register", { username: "bob", identity_key: "no base64!" }],
    ["register", { username: "bob", identity_key: "AAA" }],
    ["register", { username: "bob", identity_key: "AA==AA==" }],
    ["register", { username: "bob", device: { id: "d", key: "AAAA" } }],
    ["register", { username: "bob", key_packages: Array.from({ length: 101 }, () => "AAAA") }],
    ["register", { username: 5 }],
    ["authenticate", { username: "bob", counter: 0 }],
    ["commit", { commit_id: "c", group_id: group, epoch: 0, messages: [{ to: "bob", message: "AAAA" }] }],
    ["commit", { commit_id: "c", group_id: group, epoch: 0, members: {} }],
    ["received", { log_id: "l", seq: -1 }],
    ["received", { log_id: "l".repeat(65), seq: 1 }],
    ["unregister", { release: 1 }],
  ])("by its id if its data has the wrong shape: %s %j", (type, data) => {
    expect(client({ type, id: "7", data })).toEqual(invalid(type, "7"));
  });

  it.each(["1e400", "-1e400", "1e308", "9007199254740993", "1E999999999"])(
    "if a number is beyond all measure: %s",
    (number) => {
      expect(decodeClientFrame(`{"type":"received","data":{"log_id":"l","seq":${number}}}`)).toEqual(
        invalid("received"),
      );
    },
  );
});

describe("hostile input", () => {
  const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;

  it("may be nested as deep as a frame is long, and is not parsed then", () => {
    expect(decodeClientFrame(deep)).toMatchObject({ bad: { reason: "invalid_frame" } });
    expect(decodeClientFrame(`{"type":"info","data":{"x":${deep}}}`)).toMatchObject({
      bad: { reason: "message_too_large" },
    });
    expect(decodeClientFrame(`{"type":"send","data":${deep}}`)).toEqual(invalid("send"));
    expect(decodeRelayFrame(`{"type":"ack","data":${deep}}`)).toHaveProperty("bad");
  });

  it("of many megabytes of base64, valid or not, is judged", () => {
    const large = "A".repeat(20_000_000);
    expect(commit(large)).toHaveProperty("frame");
    expect(commit(`${large}!!!!`)).toEqual(invalid("commit"));
    expect(publish(large)).toEqual(invalid("publish_keys"));
  });

  it.each(types)("cannot pollute a prototype: %s", (type) => {
    for (const poison of ['{"__proto__":{"polluted":true}}', '{"constructor":{"prototype":{"polluted":true}}}']) {
      for (const text of [
        `{"type":"${type}","data":${poison}}`,
        `{"type":"${type}","__proto__":{"id":"x","polluted":true},"data":${poison}}`,
      ])
        for (const decoded of [decodeClientFrame(text), decodeRelayFrame(text)]) {
          const data = ("frame" in decoded ? decoded.frame.data : undefined) ?? {};
          expect((data as { polluted?: boolean }).polluted).toBeUndefined();
          expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
        }
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    }
  });

  it("never makes a decoder throw, whatever the text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), (text) => {
        expect(decodeClientFrame(text)).toBeTypeOf("object");
        expect(decodeRelayFrame(text)).toBeTypeOf("object");
      }),
      { numRuns: 1000 },
    );
  });

  it("never makes a decoder throw, whatever is in a frame of a known type", () => {
    const fields = [
      ...new Set(
        Object.values({ ...clientFrames, ...relayFrames }).flatMap((schema) =>
          Object.keys("shape" in schema ? schema.shape : {}),
        ),
      ),
    ];
    const values = fc.oneof(fc.jsonValue(), fc.constantFrom("bob", "AAAA", "0".repeat(64), 1, 0, -1, 1e308));
    const data = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(fc.constantFrom(...fields), values, { minKeys: 1, maxKeys: 12 }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.oneof(fc.string(), fc.jsonValue()), data, (type, id, content) => {
        const text = JSON.stringify({ type, id, reply_to: id, data: content });
        for (const decoded of [decodeClientFrame(text), decodeRelayFrame(text)])
          expect("frame" in decoded !== "bad" in decoded).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a relay's frame that cannot be read", () => {
  it("still names the request that it answers", () => {
    expect(relay({ type: "ack", reply_to: "7", data: { status: 1 } })).toEqual({ bad: { replyTo: "7" } });
    expect(relay({ type: "teleported", reply_to: "7" })).toEqual({ bad: { replyTo: "7" } });
    expect(relay({ type: "ack", reply_to: 7 })).toEqual({ bad: { replyTo: undefined } });
    expect(decodeRelayFrame("no JSON")).toEqual({ bad: { replyTo: undefined } });
  });

  it("reads an entry of a later kind, so that it can be acknowledged [P-13.2]", () => {
    const data = { from: "bob", message_id: "m", seq: 1, timestamp: 1, kind: "order" };
    expect(relay({ type: "message", data })).toMatchObject({ frame: { data: { kind: "order", seq: 1 } } });
  });

  it.each([
    ["message", { from: "bob", message_id: "m", seq: 1.5, timestamp: 1 }],
    ["message", { from: "bob", message_id: "m", seq: -1, timestamp: 1 }],
    ["message", { from: "bob", message_id: "m", seq: 1 }],
    ["message", { from: "b".repeat(65), message_id: "m", seq: 1, timestamp: 1 }],
    ["message", { from: "bob", message_id: "m", seq: 1, timestamp: 1, kind: "k".repeat(33) }],
    ["offline_message", { from: "bob", message_id: "m", seq: 1, timestamp: 1, group_id: "short" }],
    ["error", { code: 400, message: "m".repeat(1025) }],
    ["agent", { username: "no spaces", kind: "key" }],
    ["agent", { username: "bob", kind: "robot" }],
    ["keys", { username: "bob", identity_key: "AAAA", key_package: "AAAA", last_resort: false }],
    ["user_list", { users: [1] }],
    ["info", { protocol: 1 }],
  ])("%s %j is refused", (type, data) => {
    expect(relay({ type, reply_to: "7", data })).toEqual({ bad: { replyTo: "7" } });
  });
});
