/** Commits leave; what of them is too large for a frame is brought to the relay first. */
import { AgentError } from "../errors.ts";
import { type Answered, asAck, type CommitData, type Flight, tooLarge, unsendable } from "../delivery/flight.ts";
import { bringBody, type BodyAtRelay, type BodyMeans, digestOf } from "../files/bodies.ts";
import { fromBase64, type RelayFrameData } from "../protocol/index.ts";
import type { CommitRecord, LargePart } from "../records/group-records.ts";
import { readable } from "../records/records.ts";
import type { Connection, Refusal } from "../wire/connection.ts";

/** What a frame holds beside its data, and what says where a part of it lies. Bytes. */
const ENVELOPE = 128;
const PLACE = 256;
/** What was brought and never committed goes by itself. Milliseconds. */
const KEPT_MS = 86_400_000;
/** The most members that a team has: whoever has mail that names a blob may fetch it, however many read it. */
const READERS = 1000;

interface Means {
  connection: Connection;
  commits: ReadonlyMap<string, CommitRecord>;
  flight: Flight;
  bodies: BodyMeans;
  /** Characters of the longest frame that the relay takes. */
  frameBytes: number;
  /** Something has come of it. */
  wake: () => void;
}

export class CommitPosts {
  readonly #means: Means;
  /** Ids of commits of which something is being brought. */
  readonly #bringing = new Map<string, Promise<void>>();

  constructor(means: Means) {
    this.#means = means;
  }

  /** Sends the commit of a group that waits for the relay's answer. */
  post(group: string): void {
    const { commits, connection, flight, frameBytes } = this.#means;
    const commit = commits.get(group);
    if (commit === undefined || commit.high_water !== undefined) return;
    if (commit.large?.every(isThere) === false) return this.#bring(commit, commit.large);
    const answered = (answer: Answered<RelayFrameData<"ack">>): void => {
      if ("ok" in answer) flight.taken = commit.commit_id;
      flight.commitAnswers.push({ group, commitId: commit.commit_id, answer });
    };
    const data = readable(commit.frame) as CommitData | undefined;
    if (data === undefined) return answered({ refusal: unsendable });
    const { large = [] } = commit;
    for (const { field, at_relay: there } of large) if (there !== undefined) data[field] = there;
    // The relay takes less than when it was made, and would end the connection again and again.
    if (commit.frame.length + large.length * PLACE + ENVELOPE > frameBytes) return answered({ refusal: tooLarge });
    connection.post("commit", data, (answer) => answered(asAck(answer)));
  }

  /** Resolves when nothing is being brought any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#bringing.values());
  }

  #bring({ group, commit_id: commitId }: CommitRecord, parts: LargePart[]): void {
    if (this.#bringing.has(commitId)) return;
    const { flight, wake } = this.#means;
    const bringing = this.#bringAll(parts).then((answer) => {
      this.#bringing.delete(commitId);
      flight.commitAnswers.push({ group, commitId, answer });
      wake();
    });
    this.#bringing.set(commitId, bringing);
  }

  async #bringAll(parts: LargePart[]): Promise<{ brought: LargePart[] } | { refusal: Refusal }> {
    const brought: LargePart[] = [];
    for (const part of parts) {
      const there = part.at_relay ?? (await this.#bringOne(part).catch(asRefusal));
      if ("refusal" in there) return there;
      brought.push({ ...part, at_relay: there });
    }
    return { brought };
  }

  async #bringOne(part: LargePart): Promise<BodyAtRelay | { refusal: Refusal }> {
    const bytes = fromBase64(part.bytes);
    const answer = await this.#means.connection.ask("blob", {
      request_id: part.request_id,
      bytes: bytes.length,
      readers: READERS,
      read_hash: await digestOf(fromBase64(part.token)),
      ttl_ms: KEPT_MS,
    });
    const said = asAck(answer);
    if ("refusal" in said) return said;
    const { blob, token, offset, piece_bytes } = said.ok;
    if (blob === undefined || token === undefined) return { refusal: NO_ANSWER };
    const isWhole = await bringBody(this.#means.bodies, { blob, token, offset, piece_bytes }, bytes);
    if (!isWhole) return { refusal: NO_ANSWER };
    return { blob, token: part.token, bytes: bytes.length, sha256: await digestOf(bytes) };
  }
}

const NO_ANSWER: Refusal = {
  code: 500,
  reason: "relay_unreachable",
  message: "the relay does not say where a commit is to be brought",
};

function isThere({ at_relay: there }: LargePart): boolean {
  return there !== undefined;
}

/** Whatever is on the way of it, it is tried again. */
function asRefusal(error: unknown): { refusal: Refusal } {
  if (!(error instanceof AgentError)) throw error;
  const { retryAfterMs: after, message } = error;
  return { refusal: { ...NO_ANSWER, message, ...(after === undefined ? {} : { retry_after_ms: after }) } };
}
