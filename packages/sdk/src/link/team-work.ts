/** What the link does for teams around and in each turn: what the relay is asked for before, and what is changed then. */
import { rejoinWhereLate } from "../conversation/team-stuck.ts";
import { healTeams } from "../conversation/team-healing.ts";
import { hearStatement } from "../conversation/team-ops.ts";
import { watchStuck } from "../conversation/team-watch.ts";
import type { Flight } from "../delivery/flight.ts";
import { makeChanges } from "../delivery/team-changes.ts";
import { forgetTaken } from "../delivery/packages.ts";
import { foundTeamsAnew } from "../delivery/team-foundings.ts";
import { type ChangeAnswer, hearOwnTeams, type Need, needsOf } from "../delivery/team-needs.ts";
import type { RelayFrameData } from "../protocol/index.ts";
import type { Turn } from "../turn/turn.ts";
import type { Connection } from "../wire/connection.ts";
import { askFor } from "./team-asks.ts";

/** The relay's answers, and what members want others to commit. */
export interface Heard {
  answers: ChangeAnswer[];
  statements: RelayFrameData<"statement">[];
}

export class TeamWork {
  readonly #connection: Connection;
  readonly #flight: Flight;
  /** What changes of teams need of the relay before they can be made. */
  #needs: Need[] = [];

  constructor(connection: Connection, flight: Flight) {
    this.#connection = connection;
    this.#flight = flight;
  }

  get isWaiting(): boolean {
    return this.#needs.length > 0;
  }

  /** Asks for what the turn before has found to be needed. @throws AgentError relay_unreachable, relay_protocol */
  async hear(): Promise<Heard> {
    const answers = await Promise.all(this.#needs.splice(0).map((need) => askFor(this.#connection, need)));
    return { answers, statements: this.#connection.statements.splice(0) };
  }

  async turn(turn: Turn, { answers, statements }: Heard): Promise<void> {
    for (const statement of statements) await hearStatement(turn, statement);
    await rejoinWhereLate(turn);
    await healTeams(turn);
    await hearOwnTeams(turn, this.#flight, answers);
    await makeChanges(turn, this.#flight, answers);
    await foundTeamsAnew(turn, this.#flight, answers);
    await watchStuck(turn);
  }

  /** Looks what the next turn needs. */
  async look(turn: Turn): Promise<void> {
    await forgetTaken(turn, this.#flight);
    this.#needs = await needsOf(turn, this.#flight);
  }
}
