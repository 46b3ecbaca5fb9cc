import fc from 'fast-check';
import { expect, test } from 'vitest';
import { catalog } from '../src/catalog.ts';
import { openSearch } from '../src/search.ts';
import { openWarehouse } from '../src/stock.ts';

const products = catalog(1001);
const wish = fc.record({ id: fc.integer({ min: 0, max: 30 }), quantity: fc.integer({ min: -1, max: 40 }) });

test('every product is found first by its own name', () => {
  const search = openSearch(products);
  for (const product of products) expect(search(product.name, 1)[0]).toEqual(product);
});

test('an order that asks for too much takes nothing', () => {
  const warehouse = openWarehouse(products);
  const stock = products[0]?.stock ?? 0;
  expect(warehouse.order([{ id: 1, quantity: 1 }, { id: 0, quantity: stock + 1 }])).toBeUndefined(); // prettier-ignore
  expect(warehouse.order([{ id: 0, quantity: stock }, { id: 0, quantity: 1 }])).toBeUndefined(); // prettier-ignore
  expect(warehouse.sold()).toEqual({ orders: 0, pieces: 0, cents: 0 });
  expect(warehouse.left(1)).toBe(products[1]?.stock);
});

test('whatever is ordered, what was sold and what is left add up to the stock', () => {
  const few = products.slice(0, 25);
  const stock = few.reduce((sum, product) => sum + product.stock, 0);
  fc.assert(
    fc.property(fc.array(fc.array(wish, { maxLength: 6 }), { maxLength: 60 }), (orders) => {
      const warehouse = openWarehouse(few);
      const prices = orders.map((wishes) => warehouse.order(wishes));
      const left = few.map((product) => warehouse.left(product.id));
      expect(Math.min(...left)).toBeGreaterThanOrEqual(0);
      expect(left.reduce((sum, pieces) => sum + pieces, 0) + warehouse.sold().pieces).toBe(stock);
      expect(prices.filter((price) => price !== undefined)).toHaveLength(warehouse.sold().orders);
    }),
    { numRuns: 8000 },
  );
});
