const SECOND_MS = 1_000;

/**
 * The same question, asked at most once a second: whoever asks in between has the answer of before. While there is none yet nobody asks
 * a second time.
 */
export function forASecond<T>(ask: () => Promise<T>): () => Promise<T> {
  let known: { at: number; answer: Promise<T>; isOpen: boolean } | undefined;
  return () => {
    const now = performance.now();
    if (known !== undefined && (known.isOpen || now - known.at < SECOND_MS)) return known.answer;
    const question = { at: now, answer: ask(), isOpen: true };
    known = question;
    question.answer.then(
      () => (question.isOpen = false),
      // What has failed is asked again.
      () => {
        if (known === question) known = undefined;
      },
    );
    return question.answer;
  };
}
