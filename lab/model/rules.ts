/** The code that decides, as it is, or with a mistake planted around it: what the checker would find if it were made in there. */
import * as foundings from "../../packages/sdk/src/crypto/team/foundings.ts";
import * as rules from "../../packages/sdk/src/crypto/team/rules.ts";
import { admits } from "../../packages/server/src/store/decisions/team.ts";

/**
 * Beside the functions, what members do: they know by the next commit that theirs was admitted, choose of the words of whom they take in the one
 * that holds, and drop a commit of their own with the state that it was made in.
 */
export type Rules = Pick<typeof foundings, "firstFounding" | "isFoundedAnew" | "mayTakeIn" | "settingsAnew"> &
  Pick<typeof rules, "forbidden" | "forbiddenTeam"> & {
    admits: typeof admits;
    takesUnanswered: boolean;
    choosesWord: boolean;
    dropsCommit: boolean;
  };
const real: Rules = { ...foundings, ...rules, admits, takesUnanswered: true, choosesWord: true, dropsCommit: true };

/** Each changes what one function says. */
const planted: Record<string, (real: Rules) => Partial<Rules>> = {
  "admins-removed": ({ forbidden }) => ({
    forbidden: (...asked) => without(forbidden(...asked), "admin_removed"),
  }),
  "no-admins": ({ forbidden }) => ({ forbidden: (...asked) => without(forbidden(...asked), "not_admin") }),
  // A statement counts for whichever leaf its member has.
  "old-leaf": ({ forbidden }) => ({
    forbidden: (plan, before) => {
      const leafOf = (name?: string) => before.roster.find((member) => member.name === name)?.leaf;
      const statements = plan.statements.map((said) => {
        const now = plan.removes.find(({ leaf }) => leaf === leafOf(said?.name));
        return said && now ? { ...said, leaf: now.digest } : said;
      });
      return forbidden({ ...plan, statements }, before);
    },
  }),
  "no-expiry": ({ forbidden }) => ({
    forbidden: (plan, before) =>
      forbidden(
        { ...plan, statements: plan.statements.map((said) => said && { ...said, epoch: before.epoch }) },
        before,
      ),
  }),
  "first-come": () => ({ firstFounding: (one) => one }),
  "accused-founds": ({ isFoundedAnew }) => ({
    isFoundedAnew: (invited, known) => isFoundedAnew(invited, { ...known, accused: new Set() }),
  }),
  unanswered: () => ({ takesUnanswered: false }),
  "keeps-commit": () => ({ dropsCommit: false }),
  "any-word": () => ({ choosesWord: false }),
  "anybody-takes-in": () => ({ mayTakeIn: () => true }),
  // What was sent before somebody was removed is admitted after it.
  "no-floor": ({ admits }) => ({ admits: (group, epoch) => admits({ ...group, floor: 0 }, epoch) }),
};

export const mistakes = Object.keys(planted);

export function rulesWith(mistake: string | undefined): Rules {
  return { ...real, ...(mistake === undefined ? {} : planted[mistake]!(real)) };
}

function without<T>(reason: T | undefined, ...gone: T[]): T | undefined {
  return reason !== undefined && gone.includes(reason) ? undefined : reason;
}
