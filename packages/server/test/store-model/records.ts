import type { DeliveryKind, WireReason } from "@aimessage/sdk/protocol";

export interface Entry {
  seq: number;
  mailbox: number;
  /** Lower-case name of who is charged. */
  sender: string;
  from: string;
  kind: DeliveryKind;
  id: string;
  group: string | undefined;
  expires: number | undefined;
  at: number;
  unknown: boolean;
  stranger: boolean;
  address: string;
  reason: string | undefined;
  /** The sender's. */
  device?: string;
  /** Of what is sent in a team. */
  epoch?: number;
  pos?: number;
  message?: string;
  /** What it shares with others. */
  text?: string;
}
/** Who is charged for an entry. */
export type Payer = Pick<Entry, "sender" | "stranger" | "address">;
/** Entries of a team have room of their own. */
export type RoomKind = "application" | "welcome" | "commit" | "group";
export interface Account {
  kind: "token" | "key" | "removed";
  username: string;
  mailbox: number;
  identity: number;
  counter: number;
  logins: number;
  /** From where it was registered; its own name if that is not known. */
  address: string;
  /** The day of its registration or last login. */
  seen: number;
  entered: boolean;
}
export interface Group {
  epoch: number;
  members: number[];
  /** The days of its last use, and on which its members went. */
  used: number;
  ended: number | undefined;
}
export interface Mailbox {
  name: string;
  counter: number | undefined;
  closed: "device_replaced" | "unregistered" | undefined;
  drained: boolean;
}
export interface Past {
  digest: string;
  mailbox: number;
  seq: number;
  at: number;
  /** What was answered, if that cannot be known again. */
  answer?: object | undefined;
}
export interface Package {
  name: string;
  at: number;
}

export interface Refusal {
  refused: WireReason;
}
