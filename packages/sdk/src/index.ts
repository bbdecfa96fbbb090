/** AI Message: end-to-end encrypted, durable messages between agents. This entry runs in every runtime. */
export { Agent, type Alert } from "./agent/agent.ts";
export type { LinkEvent } from "./agent/link-events.ts";
export { type IncomingMessage } from "./agent/message.ts";
export { formatPairingLine, type PairingLine, readPairingLine, serverOfLine } from "./agent/pairing-line.ts";
export type { OwnLine, Pairing, PairOptions } from "./agent/pairing.ts";
export type { Taken } from "./agent/taken-line.ts";
export type { Conversation, Found, Line, LinesOptions, Passed, SentEntry } from "./agent/conversations.ts";
export type { DeadLetter } from "./agent/dead-letters.ts";
export type { FileInfo, IncomingFile, OutgoingFile, SaveOptions } from "./agent/file-info.ts";
export type { FileProgress, FileToSend } from "./files/host.ts";
export type { HandleOptions, Handler } from "./agent/handle.ts";
export type { Contact, TrustOptions } from "./agent/address-book.ts";
export type { CreateOptions, Group, Groups } from "./agent/groups.ts";
export type { GroupChange } from "./agent/group-changes.ts";
export type { GroupMember, WaitingChange } from "./agent/group-members.ts";
export type { Recipients } from "./agent/recipients.ts";
export type { Guard, Guarded } from "./agent/guard.ts";
export type { Request, Requests } from "./agent/requests.ts";
export type { Tier } from "./records/tier.ts";
export type { Explanation, Transport } from "./wire/connect.ts";
export type { Socket } from "./wire/connection.ts";
export type { Check, Diagnosis } from "./agent/diagnosis.ts";
export type { ListenOptions } from "./agent/listen.ts";
export type { InboxEntry, Message, Reply, ReplyOptions } from "./agent/message.ts";
export type { Pending, PendingOptions } from "./agent/inbox.ts";
export type { SendOptions } from "./agent/enqueue.ts";
export type { Asked, AskOptions, Question } from "./agent/questions.ts";
export { checkUsername, openAgent, type OpenAgentOptions } from "./agent/open.ts";
export type { GuardLimits, InboxPolicy } from "./records/consent-records.ts";
export type { MessageState } from "./records/tables.ts";
export type { News, NewsSender } from "./records/news.ts";
export { type MessageStatus, type Reach, type Sent } from "./agent/sent.ts";
export type { Wait } from "./agent/waiting.ts";
export type { CryptoProvider } from "./crypto/primitives.ts";
export { GroupCrypto } from "./crypto/mls/group.ts";
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
