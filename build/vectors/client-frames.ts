/** Frames of clients, as texts. What is read of them, or why they are refused, is said here by hand. */
import { wireErrors, type WireReason } from "../../packages/sdk/src/protocol/errors.ts";
import { DEVICE_ID, GROUP, nested, TIME, type Vector } from "./vector.ts";

const envelope = (type: string, data?: object) => ({ type, id: "1", timestamp: TIME / 1000, data });
const refused = (clause: string, what: string, text: string, reason: WireReason, replyTo?: string): Vector => ({
  clause,
  what,
  text,
  error: { code: wireErrors[reason].code, reason, ...(replyTo === undefined ? {} : { reply_to: replyTo }) },
});

const BLOB = "0123456789abcdef0123456789abcdef";
const READ_HASH = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

export function clientFrameVectors(): Vector[] {
  const read = (clause: string, type: string, data?: object, more: { what?: string; read?: object } = {}): Vector => ({
    clause,
    what: more.what ?? type,
    text: JSON.stringify(envelope(type, data)),
    frame: { type, id: "1", data: more.read ?? data },
  });
  const wrong = (clause: string, what: string, type: string, data?: object) =>
    refused(clause, what, JSON.stringify(envelope(type, data)), "invalid_data", "1");
  const sent = { to: "bob", message: "AAEC", group_id: GROUP, epoch: 1, message_id: "m-1" };
  const opened = {
    commit_id: "c-1",
    group_id: GROUP,
    epoch: 0,
    members: [
      { username: "alice", device: DEVICE_ID },
      { username: "bob", device: "device-2" },
    ],
    welcomes: [{ to: "bob", device: "device-2", welcome: "AAEC" }],
    messages: [{ to: "bob", message: "AAEC", message_id: "m-1" }],
  };
  const said = { message: "AAEC", group_id: GROUP, epoch: 2 };
  const tree = { blob: BLOB, token: READ_HASH, bytes: 100_000, sha256: READ_HASH };
  const { messages: _messages, ...founding } = opened;
  const founded = { ...founding, epoch: 1, team: true, tree };
  const changed = {
    commit_id: "c-3",
    group_id: GROUP,
    epoch: 2,
    team: true,
    body: "AAEC",
    remove: [{ username: "bob", device: "device-2" }],
  };
  return [
    read("P-7.2", "info", undefined, { what: "info: data may be missing" }),
    read("P-7.4", "heartbeat", {}),
    read("P-3.2", "register", { username: "carol", invite: "x_-9" }, { what: "register, for a token account" }),
    read("P-4.1", "authenticate", { username: "alice", device: DEVICE_ID, relay: "relay.example.org" }),
    read("P-5.1", "listen", {}),
    read("P-5.3", "received", { log_id: "l-1", seq: 7 }),
    read("P-6.1", "send", sent),
    read(
      "P-6.1",
      "send",
      { ...sent, message: "\ud800" },
      {
        what: "a lone surrogate in the message becomes U+FFFD",
        read: { ...sent, message: "\ufffd" },
      },
    ),
    read("P-2.1", "send", { ...sent, later: [1] }, { what: "an unknown field is ignored", read: sent }),
    read("P-6.5", "send", { ...sent, resume: true, expires_at: TIME }, { what: "send, after one that was refused" }),
    read("P-6.3", "commit", opened, { what: "commit, which opens a group" }),
    read("P-6.3", "commit", { commit_id: "c-2", group_id: GROUP, epoch: 1, commit: "AAEC" }),
    read("P-6.6", "key_exchange", { to: "bob", public_key: "k", session_id: "s" }),
    read(
      "P-6.6",
      "key_response",
      { to: "bob", public_key: "k" },
      {
        what: "key_response: no session is an empty one",
        read: { to: "bob", public_key: "k", session_id: "" },
      },
    ),
    read("P-7.1", "list_users"),
    read("P-7.3", "lookup", { username: "bob" }),
    read("P-7.5", "peers", { clear: "all", allow: ["bob"], block: ["mallory"] }),
    read("P-14.1", "blob", {
      request_id: "r-1",
      bytes: 5_000_000_000,
      readers: 1,
      read_hash: READ_HASH,
      ttl_ms: 60_000,
    }),
    read("P-14.2", "blob_delete", { blob: BLOB }),
    read("P-8.1", "publish_keys", { key_packages: ["AAEC"], last_resort: "AAEC", replace: true }),
    read("P-8.2", "claim_keys", { username: "bob", another: true }),
    read("P-8.2", "claim_keys", { usernames: ["bob", "carol"] }, { what: "claim_keys, of several" }),
    read("P-6.9", "send", { ...said, message_id: "m-1" }, { what: "send, to a team" }),
    read("P-6.10", "commit", founded, { what: "commit, which founds a team" }),
    read("P-6.10", "commit", changed, { what: "commit, which changes a team" }),
    read("P-6.11", "leave", { group_id: GROUP, statement: "AAEC" }),
    read("P-6.11", "rejoin", { group_id: GROUP, statement: "AAEC" }),
    read("P-6.12", "groups", {}),
    read("P-3.5", "unregister", { release: true }),
    refused("P-1.2", "no JSON", "hello", "invalid_frame"),
    refused("P-1.2", "no object", "[]", "invalid_frame"),
    refused("P-1.2", "two objects", '{"type":"info"}{"type":"info"}', "invalid_frame"),
    refused("P-2.1", "no type", '{"id":"1"}', "invalid_frame", "1"),
    refused(
      "P-2.2",
      "a type that is no text: its request is named all the same",
      '{"type":1,"id":"1"}',
      "invalid_frame",
      "1",
    ),
    refused("P-2.1", "an id that is no text", '{"type":"info","id":1}', "invalid_frame"),
    refused("P-2.1", "an id of 129 characters", `{"type":"info","id":"${"i".repeat(129)}"}`, "invalid_frame"),
    refused(
      "P-2.7",
      "a type that is written with an escape in its name",
      '{"typ\\u0065":"info","id":"1"}',
      "invalid_frame",
      "1",
    ),
    refused("P-2.1", "a type that nobody knows", JSON.stringify(envelope("teleport")), "unknown_type", "1"),
    refused("P-2.1", "the type of a relay's frame", JSON.stringify(envelope("ack", {})), "unknown_type", "1"),
    refused("P-2.7", "nested 17 deep", `{"type":"info","id":"1","data":{"a":${nested(15)}}}`, "invalid_data", "1"),
    refused(
      "P-2.7",
      "65 fields and elements",
      `{"type":"info","id":"1","data":{"a":[${Array.from({ length: 61 }, () => 0).join(",")}]}}`,
      "invalid_data",
      "1",
    ),
    wrong("P-6.1", "send without its message", "send", { to: "bob" }),
    wrong("P-6.1", "send without data", "send"),
    wrong("P-2.5", "a group id in capitals", "send", { ...sent, group_id: GROUP.toUpperCase() }),
    wrong("P-2.5", "a message id with a slash", "send", { ...sent, message_id: "a/b" }),
    wrong("P-6.1", "an epoch below 0", "send", { ...sent, epoch: -1 }),
    wrong("P-6.1", "an expiry that is no whole number", "send", { ...sent, expires_at: 0.5 }),
    wrong("P-6.5", "resume that is no yes or no", "send", { ...sent, resume: "yes" }),
    wrong("P-6.3", "a commit that is no base64", "commit", {
      commit_id: "c",
      group_id: GROUP,
      epoch: 1,
      commit: "AAE",
    }),
    wrong("P-5.3", "received without its log", "received", { seq: 7 }),
    wrong("P-7.5", "a peer whose name is none", "peers", { allow: ["b.b"] }),
    wrong("P-7.5", "a clear that nobody knows", "peers", { clear: "some" }),
    wrong("P-14.1", "a file of no bytes", "blob", { request_id: "r", bytes: 0, readers: 1, read_hash: READ_HASH }),
    wrong("P-14.1", "a hash that is too short", "blob", { request_id: "r", bytes: 1, readers: 1, read_hash: "AAEC" }),
    wrong("P-6.9", "a frame to one member that is not direct", "send", { ...said, to: "bob", direct: false }),
    wrong("P-6.10", "a tree that says no length", "commit", { ...founded, tree: { ...tree, bytes: undefined } }),
    wrong("P-8.2", "a claim of nobody", "claim_keys", { usernames: [] }),
    wrong("P-14.2", "a blob's name in capitals", "blob_delete", { blob: BLOB.toUpperCase() }),
    wrong("P-4.4", "a counter of 0", "authenticate", { username: "alice", device: DEVICE_ID, counter: 0 }),
    wrong("P-3.8", "an invite with a dot", "register", { username: "alice", invite: "a.b" }),
  ];
}
