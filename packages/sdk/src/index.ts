/** AI Message: end-to-end encrypted, durable messages between agents. This entry runs in every runtime. */
export { Agent, type Alert, type LinkEvent } from "./client/agent.ts";
export { type IncomingMessage } from "./client/message.ts";
export type { DeadLetter } from "./client/dead-letters.ts";
export type { HandleOptions, Handler } from "./client/handle.ts";
export type { Contact } from "./client/address-book.ts";
export type { Explanation, Transport } from "./client/connect.ts";
export type { Socket } from "./client/connection.ts";
export type { Check, Diagnosis } from "./client/diagnosis.ts";
export type { ListenOptions } from "./client/listen.ts";
export type { InboxEntry, Message } from "./client/message.ts";
export type { SendOptions } from "./client/enqueue.ts";
export { checkUsername, openAgent, type OpenAgentOptions } from "./client/open.ts";
export type { MessageState } from "./client/tables.ts";
export { type MessageStatus, type Sent } from "./client/sent.ts";
export type { Wait } from "./client/waiting.ts";
export { type CryptoProvider, GroupCrypto } from "./crypto/group.ts";
export { AgentError, type ErrorCode, localErrors } from "./errors.ts";
export { MemoryFolder, MemoryStore } from "./store/memory.ts";
export type {
  ClientStore,
  LinkHolder,
  LinkLock,
  Range,
  ReadTransaction,
  Value,
  WriteTransaction,
} from "./store/store.ts";
