/** Records of what turns of the link have left for the next ones. */

/**
 * `report/<username>/<seq>`: what of a contact's receipt is not applied yet, and the conversation in which it came. The same of a member of a team,
 * in `report/@<key>.<username>/<seq>`.
 */
export interface ReportRecord {
  conversation: string;
  received: Record<string, number>;
  handled: string[];
  /** `expired`: it came too late, for the reason given. */
  failed: { id: string; reason: string; expired?: true }[];
  missing: { group: string; counter: number }[];
  undecryptable: string[];
  fetched?: { id: string; file: number }[];
  unfetched?: { id: string; file: number; reason: string }[];
  /** Of a member of a team: its device, up to where it has looked for nothing, and up to which counter it is applied. */
  device?: string;
  /** By which it is known again. */
  by?: string;
  since?: number;
  upTo?: number;
  /** No receipt, but that a member went, or came back, and the epoch that began then: for all that was sent before, up to a counter. `after`: up to this key under `sent/` it is made. */
  turned?: { to: "gone" | "back"; upTo: number; epoch: number; after?: string };
}

/**
 * `again/<group id>`: what is unread in a conversation that ended, and not all in the queue again yet; of a team also what is not all ended yet since
 * we are in it no more.
 */
export interface AgainRecord {
  /** A contact, or a team. */
  contact: string;
  /** Up to this key under `sent/` it is. */
  after?: string;
  /** Of a team that is over: nothing is sent again, and what was sent up to this counter ends. */
  endsAt?: number;
  /** Of a team: with what waits in the outbox before this place, and behind members' reports before this number. */
  before?: number;
  behind?: number;
  /** What is to be done when this is. */
  next?: AgainRecord;
}
