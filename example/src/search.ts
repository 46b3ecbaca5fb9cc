/** Which products does a customer mean? Rare words count more than common ones. */
import type { Product } from './catalog.ts';

export type Search = (query: string, most?: number) => Product[];

export function openSearch(products: readonly Product[]): Search {
  const postings = new Map<string, Product[]>();
  for (const product of products) {
    for (const word of words(product.name)) {
      const list = postings.get(word);
      if (list) list.push(product);
      else postings.set(word, [product]);
    }
  }

  return (query, most = 10) => {
    const scores = new Map<Product, number>();
    for (const word of words(query)) {
      const hits = postings.get(word) ?? [];
      const weight = Math.log(1 + products.length / (1 + hits.length));
      for (const hit of hits) scores.set(hit, (scores.get(hit) ?? 0) + weight);
    }
    return [...scores]
      .sort(([a, scoreA], [b, scoreB]) => scoreB - scoreA || a.id - b.id)
      .slice(0, most)
      .map(([product]) => product);
  };
}

function words(text: string): Set<string> {
  return new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu));
}
