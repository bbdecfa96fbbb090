import type { Buckets } from "./rate-limit.ts";
import { BoundedMap } from "../store/bounded-map.ts";
import type { Refused, Sent } from "../store/store.ts";

/** A message to so many members of a team costs as much as one frame more. [P-11.2] */
const MEMBERS_A_FRAME = 64;
/** Members that a team is supposed to have to which nothing was said yet. */
const UNKNOWN_MEMBERS = 128;

/**
 * What it costs to say something to all members of a team. It is charged before it is stored, by what the team had last: what is charged
 * when it is done may be very much by then, since all that comes meanwhile was let in.
 */
export class FanOut {
  readonly #frames: Buckets;
  readonly #bytes: Buckets;
  readonly #sizes = new BoundedMap<string, number>();

  constructor(frames: Buckets, bytes: Buckets) {
    this.#frames = frames;
    this.#bytes = bytes;
  }

  /** Returns 0, or the milliseconds until somebody may say more. */
  wait(name: string): number {
    return this.#bytes.take(name);
  }

  /** Sends what takes so many bytes, and charges it. @throws what `send` throws: then it has cost nothing */
  async charged(
    name: string,
    { team, bytes }: { team: string; bytes: number },
    send: () => Promise<Sent | Refused>,
  ): Promise<Sent | Refused> {
    const owe = (recipients: number, lapsed: number): [frames: number, bytes: number] => [
      this.#frames.owe(name, Math.floor((recipients + lapsed) / MEMBERS_A_FRAME)),
      this.#bytes.owe(name, bytes * recipients),
    ];
    const [frames, taken] = owe(this.#sizes.get(team) ?? UNKNOWN_MEMBERS, 0);
    let sent: Sent | Refused | undefined;
    try {
      sent = await send();
      return sent;
    } finally {
      this.#frames.owe(name, -frames);
      this.#bytes.owe(name, -taken);
      if (sent !== undefined && "team" in sent && sent.team !== undefined) {
        const { recipients, lapsed } = sent.team;
        owe(recipients, lapsed.length);
        this.#sizes.set(team, recipients + lapsed.length);
      }
    }
  }
}
