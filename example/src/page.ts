/** What does a customer see? A search field, and a list that follows it. */
import { bill } from './cart.ts';
import type { Product } from './catalog.ts';

const field = document.querySelector<HTMLInputElement>('#search');
const list = document.querySelector<HTMLUListElement>('#products');

async function show(query: string): Promise<void> {
  const response = await fetch(`/search?q=${encodeURIComponent(query)}`);
  const products = (await response.json()) as Product[];
  list?.replaceChildren(...products.map(entry));
}

function entry(product: Product): HTMLLIElement {
  const { totalCents } = bill([{ product, quantity: 1 }]);
  const item = document.createElement('li');
  item.textContent = `${product.name}: ${(totalCents / 100).toFixed(2)} delivered`;
  return item;
}

field?.addEventListener('input', () => void show(field.value));
