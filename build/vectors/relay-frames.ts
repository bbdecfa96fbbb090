/** Frames of relays, as texts, and what is read of them, said here by hand. */
import { DEVICE_ID, GROUP, nested, TIME, type Vector } from "./vector.ts";

const LIMITS = {
  frame_bytes: 1_048_576,
  frame_bytes_unauthenticated: 65_536,
  mailbox_messages: 50_000,
  mailbox_bytes: 268_435_456,
  mailbox_age_ms: 1_209_600_000,
  in_flight_messages: 256,
  in_flight_bytes: 8_388_608,
  frames_per_second: 200,
  frames_burst: 400,
  key_packages: 100,
};

const frameOf = (type: string, data: object, replyTo?: string) => ({
  type,
  id: "9",
  timestamp: TIME / 1000,
  ...(replyTo === undefined ? {} : { reply_to: replyTo }),
  data,
});
const wrong = (clause: string, what: string, text: string, replyTo?: string): Vector => ({
  clause,
  what,
  text,
  valid: false,
  ...(replyTo === undefined ? {} : { reply_to: replyTo }),
});

export function relayFrameVectors(): Vector[] {
  const answer = (clause: string, type: string, data: object, more: { what?: string; read?: object } = {}): Vector => ({
    clause,
    what: more.what ?? type,
    text: JSON.stringify(frameOf(type, data, "1")),
    frame: { type, reply_to: "1", data: more.read ?? data },
  });
  const pushed = (clause: string, type: string, data: object, more: { what?: string; read?: object } = {}): Vector => ({
    clause,
    what: more.what ?? type,
    text: JSON.stringify(frameOf(type, data)),
    frame: { type, data: more.read ?? data },
  });
  const entry = { from: "alice", device: DEVICE_ID, kind: "application", message: "AAEC", group_id: GROUP, epoch: 1 };
  const delivery = { ...entry, message_id: "m-1", seq: 7, timestamp: TIME / 1000 };
  const refusal = { code: 429, message: "Rate limit exceeded", reason: "rate_limited", retry_after_ms: 1_000 };
  const { message: _message, ...bodiless } = delivery;
  const stub = { ...bodiless, kind: "stub", pos: 3, sha256: "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=" };
  const change = { ...bodiless, kind: "commit", body: "AAEC", add: [{ username: "dave", device: "device-4" }] };
  return [
    answer("P-4.1", "challenge", { challenge: "q83v", timestamp: TIME / 1000, time: TIME }),
    answer("P-4.5", "ack", { status: "authenticated" }),
    answer("P-5.1", "ack", { status: "listening", log_id: "l-1", last_seq: 9, high_water: 7, key_packages: 8 }),
    answer("P-6.1", "ack", { status: "delivered", message_id: "m-1" }),
    answer("P-6.3", "ack", { status: "committed", commit_id: "c-1", high_water: 0, delivered: false }),
    answer("P-14.1", "ack", {
      status: "blob",
      blob: "0123456789abcdef0123456789abcdef",
      token: "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
      offset: 0,
      piece_bytes: 8_388_608,
      expires_at: TIME,
    }),
    answer("P-13.2", "ack", { status: "teleported" }, { what: "a status of a later relay" }),
    answer("P-7.1", "user_list", { users: ["alice", "bob"] }),
    answer("P-3.2", "registered", { username: "carol", token: "AAEC", salt: "AAEC" }),
    answer("P-7.2", "info", {
      protocol: 1,
      version: "0.1.0",
      suite: "MLS_256_XWING_AES256GCM_SHA512_Ed25519",
      names: ["relay.example.org"],
      time: TIME,
      features: ["info", "send"],
      limits: LIMITS,
    }),
    answer("P-8.2", "keys", {
      username: "bob",
      identity_key: "AAEC",
      device: { id: "device-2", key: "AAEC", certificate: "AAEC" },
      key_package: "AAEC",
      last_resort: false,
    }),
    answer("P-7.3", "agent", { username: "bob", kind: "token" }),
    answer("P-2.3", "error", refusal),
    answer("P-12.1", "error", { code: 418, message: "No", reason: "teapot" }, { what: "a reason of a later relay" }),
    answer("P-2.1", "ack", { status: "ok", later: 1 }, { what: "an unknown field is ignored", read: { status: "ok" } }),
    pushed("P-5.2", "message", delivery),
    pushed("P-5.2", "offline_message", { ...delivery, expires_at: TIME }),
    pushed(
      "P-5.7",
      "message",
      {
        from: "bob",
        kind: "notice",
        message: "",
        message_id: "m-1",
        seq: 8,
        timestamp: TIME / 1000,
        status: "expired",
        reason: "mailbox_age",
      },
      { what: "a notice" },
    ),
    pushed(
      "P-13.2",
      "message",
      { ...delivery, kind: "poem" },
      { what: "a kind of a later relay: skipped, and acknowledged" },
    ),
    pushed("P-6.6", "key_request", { from: "alice", to: "bob", public_key: "k", session_id: "" }),
    pushed("P-6.6", "key_response", { from: "bob", to: "alice", public_key: "k", session_id: "" }),
    pushed("P-8.3", "keys_low", { remaining: 4 }),
    pushed("P-6.9", "message", { ...delivery, pos: 3 }, { what: "a message to a team" }),
    pushed("P-6.9", "offline_message", stub, {
      what: "a stub in the place of one that has expired",
      read: { ...stub, message: "" },
    }),
    pushed("P-6.10", "message", change, { what: "a commit of a team", read: { ...change, message: "" } }),
    pushed("P-6.11", "statement", { group_id: GROUP, kind: "leave", username: "bob", statement: "AAEC" }),
    answer("P-6.9", "ack", { status: "stored_offline", message_id: "m-1", pos: 3, offline: 1, lapsed: ["dave"] }),
    answer("P-6.12", "group_list", { groups: [{ group_id: GROUP, epoch: 2, device: DEVICE_ID, lapsed: false }] }),
    answer("P-8.2", "key_list", { keys: [], refused: [{ username: "bob", reason: "no_key_packages" }] }),
    wrong("P-1.2", "no JSON", "hello"),
    wrong("P-2.2", "no type: the request is known all the same", '{"reply_to":"1"}', "1"),
    wrong("P-2.1", "a type that nobody knows", JSON.stringify(frameOf("poem", {}, "1")), "1"),
    wrong("P-2.3", "an ack without its status", JSON.stringify(frameOf("ack", {}, "1")), "1"),
    wrong("P-5.2", "a position below 0", JSON.stringify(frameOf("message", { ...delivery, seq: -1 }))),
    wrong(
      "P-5.2",
      "a message without its id",
      JSON.stringify(frameOf("message", { ...delivery, message_id: undefined })),
    ),
    wrong(
      "P-5.2",
      "a group id in capitals",
      JSON.stringify(frameOf("message", { ...delivery, group_id: GROUP.toUpperCase() })),
    ),
    wrong("P-2.8", "nested 17 deep", `{"type":"ack","reply_to":"1","data":{"status":"ok","a":${nested(15)}}}`, "1"),
  ];
}
