/** Is it still there? An order takes all of its lines or none, and nothing is ever sold twice. */
import type { Product } from './catalog.ts';
import { bill } from './cart.ts';

export interface Wish {
  readonly id: number;
  readonly quantity: number;
}

export interface Warehouse {
  /** The price in cents, or undefined when a line is unknown, empty or no longer there. */
  order(wishes: readonly Wish[]): number | undefined;
  left(id: number): number;
  sold(): { readonly orders: number; readonly pieces: number; readonly cents: number };
}

export function openWarehouse(products: readonly Product[]): Warehouse {
  const byId = new Map(products.map((product) => [product.id, product]));
  const left = new Map(products.map((product) => [product.id, product.stock]));
  let [orders, pieces, cents] = [0, 0, 0];

  return {
    order(wishes) {
      const wanted = new Map<number, number>();
      for (const { id, quantity } of wishes) {
        if (!Number.isInteger(quantity) || quantity < 1) return undefined;
        wanted.set(id, (wanted.get(id) ?? 0) + quantity);
      }
      const lines = [];
      for (const [id, quantity] of wanted) {
        const product = byId.get(id);
        if (!product || (left.get(id) ?? 0) < quantity) return undefined;
        lines.push({ product, quantity });
      }
      if (lines.length === 0) return undefined;

      for (const [id, quantity] of wanted) left.set(id, (left.get(id) ?? 0) - quantity);
      const { totalCents } = bill(lines);
      orders += 1;
      pieces += lines.reduce((sum, line) => sum + line.quantity, 0);
      cents += totalCents;
      return totalCents;
    },
    left: (id) => left.get(id) ?? 0,
    sold: () => ({ orders, pieces, cents }),
  };
}
