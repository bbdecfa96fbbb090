/** The console's page for agents that live in a browser, as it is built (`build/console.ts`): its files by their paths. */
export const files: Readonly<Record<string, string>>;
