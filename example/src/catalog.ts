/** What does the shop sell? A catalogue that is the same on every machine. */

export interface Product {
  readonly id: number;
  readonly name: string;
  readonly priceCents: number;
  readonly stock: number;
}

const FINISHES = ['plain', 'glazed', 'brushed', 'oiled', 'woven', 'painted', 'recycled'];
const MATERIALS = [
  'oak',
  'steel',
  'linen',
  'clay',
  'cork',
  'wool',
  'glass',
  'brass',
  'paper',
  'slate',
  'ash',
];
const THINGS = ['lamp', 'table', 'bowl', 'shelf', 'chair', 'blanket', 'clock', 'vase', 'tray', 'basket', 'mirror', 'hook', 'jug']; // prettier-ignore

/** `size` products (at most 1001 different names; further ones carry a number). */
export function catalog(size: number): Product[] {
  return Array.from({ length: size }, (_, id) => ({
    id,
    name: productName(id),
    priceCents: 199 + ((id * 7919) % 24_000),
    stock: 20 + ((id * 31) % 180),
  }));
}

function productName(id: number): string {
  const words = [
    FINISHES[id % FINISHES.length],
    MATERIALS[id % MATERIALS.length],
    THINGS[id % THINGS.length],
  ];
  const series = Math.floor(id / (FINISHES.length * MATERIALS.length * THINGS.length));
  return series === 0 ? words.join(' ') : `${words.join(' ')} ${series + 1}`;
}
