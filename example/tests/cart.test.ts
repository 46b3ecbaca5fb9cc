import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bill, split } from '../src/cart.ts';
import { catalog } from '../src/catalog.ts';

const products = catalog(500);
const line = fc.record({ product: fc.constantFrom(...products), quantity: fc.integer({ min: 1, max: 50 }) });
const runs = { numRuns: 25_000 };

test('an empty cart costs nothing, not even shipping', () => {
  expect(bill([]).totalCents).toBe(0);
});

test('shipping is free from 50.00 on', () => {
  const product = { id: 1, name: 'lamp', priceCents: 4999, stock: 1 };
  expect(bill([{ product, quantity: 1 }]).shippingCents).toBe(490);
  expect(bill([{ product: { ...product, priceCents: 5000 }, quantity: 1 }]).shippingCents).toBe(0);
});

test('what is paid for the lines adds up to the bill', () => {
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 40 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (lines, share) => {
        const { goodsCents, discountCents, paidCents } = bill(lines, share);
        expect(paidCents.reduce((sum, cents) => sum + cents, 0)).toBe(goodsCents - discountCents);
      },
    ),
    runs,
  );
});

test('a split loses no cent and is off by less than one', () => {
  const weights = fc.array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000_000 }), weights, (cents, list) => {
      const sum = list.reduce((total, weight) => total + weight, 0);
      fc.pre(sum > 0);
      const parts = split(cents, list);
      expect(parts.reduce((total, part) => total + part, 0)).toBe(cents);
      parts.forEach((part, index) =>
        expect(Math.abs(part - (cents * (list[index] ?? 0)) / sum)).toBeLessThan(1),
      );
    }),
    runs,
  );
});
