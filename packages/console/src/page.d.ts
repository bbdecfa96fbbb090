/** A page as it is built (`build/console.ts`): its files by their paths. */
export const files: Readonly<Record<string, string>>;
