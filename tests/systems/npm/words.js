// Words that occur an odd number of times.
'use strict';
const isOdd = require('is-odd');

module.exports = text => {
  const counts = new Map();
  for (const w of text.split(/\s+/).filter(Boolean)) counts.set(w, (counts.get(w) ?? 0) + 1);
  return [...counts].filter(([, n]) => isOdd(n)).map(([w]) => w).sort();
};
