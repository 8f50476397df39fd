// Names of event types, and a colour and a dash for each: whoever sees no colours sees the dashes.

let names = new Map();

export function learn(pairs) {
  names = new Map(pairs);
}

export const all = () => [...names];
/** The rarer types are counted together, without a code. */
export const name = (code) => (code === null ? "other types" : (names.get(code) ?? `type ${code}`));

const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3], [14, 4]];

export const colour = (at) => `--plot-${(at % 6) + 1}`;
export const dash = (at) => DASHES[at % DASHES.length];
