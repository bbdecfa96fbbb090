interface Runs extends AsyncDisposable {
  /** Has it run, once more if it runs: what it is to find may have come behind the place where it is. */
  soon: () => void;
}

/**
 * Runs something whenever it is asked for, never twice at once.
 * @param failed Told of what it throws; whoever asks next has it run again
 */
export function oneAtATime(run: () => Promise<void>, failed: (error: unknown) => void): Runs {
  let running: Promise<void> | undefined;
  let again = false;
  let isOver = false;

  async function runAll(): Promise<void> {
    while (again && !isOver) {
      again = false;
      await run().catch(failed);
    }
    // In the same breath as the last look: who asks right after it must find the way free.
    running = undefined;
  }

  return {
    soon() {
      again = true;
      if (!isOver) running ??= runAll();
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      await running;
    },
  };
}
