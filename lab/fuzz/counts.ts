/** What was done so far. */
export interface Counts {
  /** Everything that plans have sent, without logins and the frames that wait for answers. */
  frames: number;
  /** Frames that the relay can read, and those of them that came from somebody who is logged in. */
  readable: number;
  plausible: number;
  /** Connections. */
  opened: number;
  kinds: Record<string, number>;
}
