/** Records of pairing lines. */

/** `line/<line id>`: a line of ours, by which one agent may pair with this one. */
export interface LineRecord {
  id: string;
  code: string;
  /** The name of the relay in it. */
  relay: string;
  made_at: number;
  /** Our clock, Unix ms. */
  expires_at: number;
  /** Nobody else may use it, and who has this name is not asked about. */
  for?: string;
  /** The owner is not asked about whoever uses it. */
  yes?: true;
  /** asked: somebody has used it, and its owner has not said a word on that. The others are final. */
  state: "open" | "asked" | "paired" | "refused" | "withdrawn";
  /** The agent that has used it: nobody else can any more. */
  by?: {
    username: string;
    identity_key: string;
    /** Id of its message, and a place in the inbox by which it hears of the outcome. */
    id: string;
    seq: number;
    at: number;
  };
  /** Its owner knows how it has ended. */
  heard?: true;
}

/** `pairing/<line id>`: a line of another agent that was read here. */
export interface PairingRecord {
  id: string;
  code: string;
  relay: string;
  username: string;
  fingerprint: string;
  /** Place of its message in the outbox, whose state is that of the pairing. */
  seq: number;
  at: number;
  /** Its reader knows how it has ended. */
  heard?: true;
}
