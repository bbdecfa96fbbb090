/**
 * Takes one after the other out of a list that is kept in a record, as long as there is time.
 * @returns whether that was all; what was not come to is still there
 */
export async function eachOf<T>(list: T[], goesOn: () => boolean, work: (one: T) => Promise<void>): Promise<boolean> {
  for (let one; (one = list[0]) !== undefined; list.shift()) {
    if (!goesOn()) return false;
    await work(one);
  }
  return true;
}
