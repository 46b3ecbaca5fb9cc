/** What does a cart cost? Whole cents throughout: a discount is split so that its parts add up to it exactly. */
import type { Product } from './catalog.ts';

export interface Line {
  readonly product: Product;
  readonly quantity: number;
}

export interface Bill {
  readonly goodsCents: number;
  readonly discountCents: number;
  readonly shippingCents: number;
  readonly totalCents: number;
  /** What is paid for each line, in the order of the lines; their sum is goods less discount. */
  readonly paidCents: readonly number[];
}

const FREE_SHIPPING_FROM_CENTS = 5000;
const SHIPPING_CENTS = 490;

/** @param discountShare 0 to 1 of the goods. */
export function bill(lines: readonly Line[], discountShare = 0): Bill {
  const values = lines.map((line) => line.product.priceCents * line.quantity);
  const goodsCents = values.reduce((sum, value) => sum + value, 0);
  const discountCents = Math.round(goodsCents * discountShare);
  const parts = split(discountCents, values);
  const shippingCents =
    goodsCents === 0 || goodsCents - discountCents >= FREE_SHIPPING_FROM_CENTS ? 0 : SHIPPING_CENTS;
  return {
    goodsCents,
    discountCents,
    shippingCents,
    totalCents: goodsCents - discountCents + shippingCents,
    paidCents: values.map((value, index) => value - (parts[index] ?? 0)),
  };
}

/** Splits whole cents in proportion to the weights; the largest remainders get the odd cents. */
export function split(cents: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (sum === 0) return weights.map(() => 0);
  const exact = weights.map((weight) => (cents * weight) / sum);
  const parts = exact.map(Math.floor);
  const odd = cents - parts.reduce((total, part) => total + part, 0);
  const byRemainder = exact
    .map((share, index) => ({ index, rest: share - Math.floor(share) }))
    .sort((a, b) => b.rest - a.rest || a.index - b.index);
  for (const { index } of byRemainder.slice(0, odd)) parts[index] = (parts[index] ?? 0) + 1;
  return parts;
}
