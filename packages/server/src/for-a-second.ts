const SECOND_MS = 1_000;

/** The same question, asked at most once a second: whoever asks in between has the answer of before. */
export function forASecond<T>(ask: () => Promise<T>): () => Promise<T> {
  let known: { at: number; answer: Promise<T> } | undefined;
  return () => {
    const now = performance.now();
    if (known !== undefined && now - known.at < SECOND_MS) return known.answer;
    const answer = ask();
    known = { at: now, answer };
    // What has failed is asked again.
    answer.catch(() => {
      if (known?.answer === answer) known = undefined;
    });
    return answer;
  };
}
