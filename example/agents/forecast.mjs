// How much stock is enough for the worst day? Years are drawn one by one, flat in memory; sorting them is the spike.
import assert from 'node:assert/strict';
import { random, report } from './shared.mjs';

const YEARS = Number(process.argv[2] ?? 8000);
const DAYS = 365;
const CAMPAIGNS = [0.3, 0.6, 0.9];

/** Box and Muller: two uniform numbers make one normal one. */
function normal(chance) {
  return Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance());
}

/** Demand of each day of each year: a drifting trend, a season, and a campaign in December. */
function simulate(campaign) {
  const chance = random(2024);
  const demand = new Float64Array(YEARS * DAYS);
  for (let year = 0; year < YEARS; year++) {
    let trend = 100;
    for (let day = 0; day < DAYS; day++) {
      trend += 0.03 * (100 - trend) + normal(chance);
      const season = 1 + 0.25 * Math.sin((2 * Math.PI * day) / DAYS) + (day > 330 ? campaign : 0);
      demand[year * DAYS + day] = Math.max(0, trend * season + 5 * normal(chance));
    }
  }
  return demand;
}

/** The worst day of each year as an object with its year, the mildest first. */
function worstDays(demand) {
  return Array.from({ length: YEARS }, (_, year) => {
    const days = demand.slice(year * DAYS, (year + 1) * DAYS);
    const day = days.reduce((most, value, index) => (value > days[most] ? index : most), 0);
    return { year, day, demand: days[day], days };
  }).sort((a, b) => a.demand - b.demand);
}

const at = (list, share) => list[Math.floor(share * (list.length - 1))];
const scenarios = CAMPAIGNS.map((campaign) => ({ campaign, demand: simulate(campaign) }));
const facts = { days: YEARS * DAYS * CAMPAIGNS.length };
let before = 0;
for (const { campaign, demand } of scenarios) {
  const sorted = demand.slice().sort();
  const worst = worstDays(demand);
  const enough = at(worst, 0.99).demand;
  assert.ok(at(sorted, 0.5) > 80 && at(sorted, 0.5) < 130, `a median of ${at(sorted, 0.5)}`);
  assert.equal(worst.at(-1).demand, sorted.at(-1), 'the worst day of all years is the worst day');
  assert.ok(enough > before, 'a larger campaign needs more stock');
  facts[`campaign_${campaign * 100}_percent_stock`] = Math.ceil(enough);
  before = enough;
}
report('forecast', facts);
