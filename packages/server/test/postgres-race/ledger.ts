import type { Committed, Entry, Refused, SendRequest, Sent } from "../../src/store/store.ts";

/** Something that was sent, and every answer to it. Its text is in no other. */
export interface Said {
  text: string;
  by: string;
  /** Who is to get it: an account, or a team. */
  to: string;
  request: SendRequest;
  /** It may go without having been read. */
  isLosable: boolean;
  /** Its relay did not answer: it may stand behind what was sent after it. */
  isResent: boolean;
  answers: (Sent | Refused)[];
}

/** What one mailbox was seen to hold, by a reader that goes on from where it is. */
export interface Log {
  name: string;
  entries: Entry[];
}

/** What a race was answered and has read; and what of it must not be. */
export class Ledger {
  readonly said: Said[] = [];
  /** By mailboxes. */
  readonly logs = new Map<number, Log>();
  /** Of groups and epochs, the commit that has ended them. */
  readonly commits = new Map<string, { id: string; by: string }>();
  /** Key packages, and mailboxes that they were handed to. */
  readonly packages = new Map<string, number>();
  readonly wrong: string[] = [];
  readonly counts: Record<string, number> = {};

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  find(what: string): void {
    if (this.wrong.length < 20) this.wrong.push(what);
  }

  answered(said: Said, answer: Sent | Refused): void {
    const before = said.answers.find((each): each is Sent => !("refused" in each));
    said.answers.push(answer);
    if ("refused" in answer) {
      this.count(`send: ${answer.refused}`);
      return;
    }
    this.count(before === undefined ? "sent" : "repeated");
    const is = JSON.stringify([answer.messageId, answer.team?.pos, answer.team?.recipients, answer.team?.offline]);
    if (before === undefined) return;
    const was = JSON.stringify([before.messageId, before.team?.pos, before.team?.recipients, before.team?.offline]);
    if (is !== was) this.find(`a repeat of ${said.text} was answered ${is}, and before ${was}`);
  }

  committed(commit: { group: string; epoch: number; id: string; by: string }, answer: Committed | Refused): void {
    if ("refused" in answer) {
      this.count(`commit: ${answer.refused}`);
      return;
    }
    this.count("committed");
    const key = `${commit.group} ${commit.epoch}`;
    const before = this.commits.get(key);
    if (before !== undefined && before.id !== commit.id)
      this.find(`${key} was ended by ${before.id} and by ${commit.id}`);
    this.commits.set(key, commit);
  }

  handedOut(keyPackage: Uint8Array, claimant: number, isFresh: boolean): void {
    const text = Buffer.from(keyPackage).toString();
    const before = this.packages.get(text);
    if (before !== undefined && (isFresh || before !== claimant)) this.find(`${text} was handed out twice`);
    this.packages.set(text, claimant);
    this.count("claimed");
  }

  /** A look of a reader at a mailbox behind what it knows. */
  read(mailbox: number, after: number, entries: Entry[]): void {
    const log = this.logs.get(mailbox);
    let last = after;
    for (const entry of entries) {
      if (entry.seq <= last) this.find(`${entry.seq} of mailbox ${mailbox} stands behind ${last}`);
      last = entry.seq;
      log?.entries.push(entry);
    }
  }

  /** @param left What lies in each mailbox in the end */
  judge(left: ReadonlyMap<number, Entry[]>): string[] {
    for (const [mailbox, entries] of left) {
      const seen = new Set(this.logs.get(mailbox)?.entries.map(({ seq }) => seq));
      for (const { seq, messageId } of entries)
        if (!seen.has(seq)) this.find(`a reader of ${mailbox} missed ${messageId} at ${seq}`);
    }
    this.#judgeMessages();
    this.#judgePlaces();
    const resent = new Set(this.said.filter(({ isResent }) => isResent).map(({ text }) => text));
    for (const log of this.logs.values()) this.#judgeOrder(log, resent);
    return this.wrong;
  }

  #judgeMessages(): void {
    const places = new Map<string, string[]>();
    for (const [mailbox, { name, entries }] of this.logs)
      for (const entry of entries) {
        if (entry.kind !== "application" && entry.kind !== "direct") continue;
        const text = textOf(entry);
        places.set(text, [...(places.get(text) ?? []), `${name} ${mailbox}`]);
      }
    for (const { text, answers, isLosable, isResent, to, request } of this.said) {
      const sent = answers.find((answer): answer is Sent => !("refused" in answer));
      const found = places.get(text) ?? [];
      const most = sent === undefined ? 0 : (sent.team?.recipients ?? 1);
      // Without an id nobody can ask what became of it.
      if (isResent && request.messageId === undefined) continue;
      if (found.length > most || new Set(found).size < found.length)
        this.find(`${text} to ${to} is ${found.length} times there, and ${most} were answered: ${found.join(", ")}`);
      if (!isLosable && found.length < most) this.find(`${text} to ${to} was acknowledged and is lost`);
    }
  }

  /** Messages of a team in an epoch are numbered without gap. */
  #judgePlaces(): void {
    const all = new Map<string, number[]>();
    for (const { request, answers } of this.said) {
      const sent = answers.find((answer): answer is Sent => !("refused" in answer));
      if (sent?.team === undefined) continue;
      const key = `${request.groupId} ${request.epoch}`;
      all.set(key, [...(all.get(key) ?? []), sent.team.pos]);
    }
    for (const [key, positions] of all) {
      const sorted = positions.toSorted((one, other) => one - other);
      if (sorted.some((pos, at) => pos !== at + 1)) this.find(`${key} has the places ${sorted.join(" ")}`);
    }
  }

  #judgeOrder({ name, entries }: Log, resent: ReadonlySet<string>): void {
    const epochs = new Map<string, number>();
    const places = new Map<string, number>();
    const senders = new Map<string, number>();
    /** In which epoch its owner is, who gets no commits of its own. */
    const presentOf = (group: string): number | undefined => {
      let epoch = epochs.get(group);
      while (epoch !== undefined && this.commits.get(`${group} ${epoch}`)?.by === name) epoch += 1;
      return epoch;
    };
    for (const entry of entries) {
      const { groupId, epoch = 0, kind, pos, from, device } = entry;
      if (kind === "welcome") epochs.set(groupId ?? "", epoch);
      else if (kind === "commit") {
        const present = presentOf(groupId ?? "");
        if (present !== undefined && epoch !== present) this.find(`${name} in ${groupId}: ${epoch} ends ${present}`);
        epochs.set(groupId ?? "", epoch + 1);
      } else if (kind === "application") {
        const present = presentOf(groupId ?? "");
        if (groupId !== undefined && present !== undefined && epoch > present)
          this.find(`${name} gets ${textOf(entry)} of epoch ${epoch} of ${groupId} before the commit of ${present}`);
        if (pos !== undefined) {
          const key = `${groupId} ${epoch}`;
          if (pos <= (places.get(key) ?? 0)) this.find(`${name} gets ${key} ${pos} behind ${places.get(key)}`);
          places.set(key, pos);
        }
        // Texts of one device in one group are numbered as they were sent.
        const key = `${from} ${device} ${groupId}`;
        if (resent.has(textOf(entry)) || textOf(entry).startsWith("first")) continue;
        const number = Number(textOf(entry).split(" ").at(-1));
        if (number <= (senders.get(key) ?? -1)) this.find(`${name} gets ${textOf(entry)} behind ${senders.get(key)}`);
        senders.set(key, number);
      }
    }
  }
}

function textOf({ body, message }: Entry): string {
  return body === undefined ? message : (JSON.parse(body.text) as { message: string }).message;
}
