/** What a metric's name tells: which way is better, what pairs with what; as runs/metrics.py. */

const LESS = new Set(
  (
    'loss error err errors mae mse msle mape rmse rmsle wer cer perplexity ppl crossentropy ' +
    'entropy divergence nll deviance brier hinge huber poisson logcosh fid eer distance cost ' +
    'regret time seconds latency duration wait'
  ).split(' ')
);
const NO_SCORE = new Set(
  (
    'learning_rate lr weight_decay momentum beta_1 beta_2 temperature seed step steps ' +
    'global_step epoch epochs iteration iterations batch batch_size samples examples tokens ' +
    'time timestamp t'
  ).split(' ')
);

function parts(metric: string): string[] {
  return metric.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g) ?? [];
}

export function better(metric: string): 'min' | 'max' {
  return parts(metric).some(part => LESS.has(part.toLowerCase())) ? 'min' : 'max';
}

export function isScore(metric: string): boolean {
  return !NO_SCORE.has(metric.toLowerCase());
}

/** The name that a metric shares with its validation variant: "val_loss" → "loss". */
export function family(metric: string): string {
  return metric.replace(/^val_/, '');
}

/** The metric by which runs are ranked: a loss, on validation data if there is one. */
export function leading(metrics: readonly string[]): string | null {
  const scores = metrics.filter(isScore);
  const names = scores.length ? scores : [...metrics];
  for (const wanted of ['val_loss', 'loss']) {
    if (names.includes(wanted)) {
      return wanted;
    }
  }
  const losses = names.filter(n => parts(n).some(p => p.toLowerCase() === 'loss'));
  const ranked = losses.length ? losses : names;
  return ranked.find(n => n.startsWith('val_')) ?? ranked[0] ?? null;
}

/** Metrics in families, the ones that say most first: losses, scores, then the rest. */
export function families(metrics: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const name of metrics) {
    const base = family(name);
    groups.set(base, [...(groups.get(base) ?? []), name]);
  }
  const rank = (base: string) => (!isScore(base) ? 2 : better(base) === 'min' ? 0 : 1);
  return [...groups.entries()]
    .sort(([a], [b]) => rank(a) - rank(b))
    .map(([, names]) =>
      names.sort((a, b) => Number(a.startsWith('val_')) - Number(b.startsWith('val_')))
    );
}

/** The key with the best value; null if fewer than two can be compared. */
export function best(
  values: ReadonlyArray<readonly [string, unknown]>,
  metric: string
): string | null {
  if (!isScore(metric)) {
    return null;
  }
  const known = values.filter(
    (pair): pair is [string, number] => typeof pair[1] === 'number' && Number.isFinite(pair[1])
  );
  if (known.length < 2) {
    return null;
  }
  const sign = better(metric) === 'min' ? 1 : -1;
  return known.reduce((a, b) => (sign * b[1] < sign * a[1] ? b : a))[0];
}
