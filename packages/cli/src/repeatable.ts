import { Option } from "commander";

/** An option that may be given again, with one value each time: one that takes several would take the arguments behind it as well. */
export class Repeatable extends Option {
  readonly repeatable = true;

  /** @param add What stands behind the option, and what was there before. */
  constructor(flags: string, description: string, add: (value: string, before: unknown) => unknown = listed) {
    super(flags, description);
    this.argParser(add);
  }
}

function listed(value: string, before: unknown): string[] {
  return [...((before as string[] | undefined) ?? []), value];
}
