// Every text of the page, in English. Another language is another file of this folder with the same names.

const plural = (count, one, several) => `${count} ${count === 1 ? one : several}`;
const list = (words) =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
const inCurrency = (text, currency) => (currency ? `${text} in ${currency}` : text);

export const texts = {
  page: {
    title: "Perfect the Look",
    description: "Give a photo of a room or an outfit and see the products that complete it.",
    skip: "Skip to the content",
    home: "Perfect the Look, back to the start",
    newPhoto: "New photo",
    share: "Share",
    dark: "Dark colours",
    scene: "Your scene",
    results: "Products for your scene",
  },
  start: {
    show: "Show a scene.",
    see: "See what completes it.",
    lead: "Give a photo of a room or an outfit, and get the products that go with it.",
    choose: "Choose a photo",
    take: "Take a photo",
    drop: "Drop it anywhere on this page, or paste it.",
    privacy: "The server does not store your photo.",
    urlLabel: "Address of a picture on the web",
    urlHint: "https:// address of a picture",
    useUrl: "Use it",
    samples: "Or try an example",
    dropHere: "Drop the photo",
  },
  scene: {
    photo: (title) => (title ? `Your scene: ${title}` : "Your scene"),
    hint: "Point at a product to see where the model looked. Drag on the photo to use only a part of it.",
    hintTouch: "Tap the eye icon of a category to see where the model looked.",
    attention: (category, places, even) => {
      const looked = `For ${category.toLowerCase()}, the model looked`;
      if (!places.length) return `${looked} evenly at the whole photo.`;
      const at = `at the ${list(places)}`;
      return even
        ? `${looked} almost evenly at the whole photo, slightly more ${at}.`
        : `${looked} mostly ${at}.`;
    },
    place: (down, across) =>
      down && across
        ? `${down < 0 ? "upper" : "lower"} ${across < 0 ? "left" : "right"}`
        : ["top", "", "bottom"][down + 1] || ["left", "centre", "right"][across + 1],
    usePart: "Use this part",
    cancel: "Cancel",
    choosePart: "Choose a part",
    changePart: "Change the part",
    wholePhoto: "Whole photo",
    box: (left, top, right, bottom) =>
      `Selected part: ${left} to ${right} percent across, ${top} to ${bottom} percent down. ` +
      "Arrow keys move it. Shift and arrow keys resize it. Enter applies it. Escape removes it.",
  },
  tools: {
    views: "View",
    rows: "Products",
    look: "Whole look",
    filters: "Filters",
    price: (currency) => (currency ? `Price ${currency}` : "Price"),
    priceFrom: (currency) => inCurrency("Price from", currency),
    priceTo: (currency) => inCurrency("Price to", currency),
    from: "from",
    to: "to",
    inStock: "In stock",
    clear: "Clear filters",
    categories: "Categories",
    category: "Category",
    removeCategory: (name) => `Remove category ${name}`,
    suggested: "Suggested",
    find: "Find a category",
    noneLeft: "No other category.",
  },
  rows: {
    likely: (share) => `${share} likely to complete the photo`,
    present: "Already there",
    far: "Unlike the photos that the model knows. For photos like this one, run `perfectlook adapt`.",
    where: "Where the model looked",
    whereFor: (name) => `Show where the model looked for ${name}`,
    remove: "Remove",
    removeRow: (name) => `Remove ${name}`,
    previous: (name) => `Previous products in ${name}`,
    next: (name) => `Next products in ${name}`,
    none: "No product matches the filters.",
    noCategories: "No categories chosen",
    addOne: "Add one above, or let the model suggest them.",
    suggest: "Suggest categories",
    nothing: "No product matches these filters",
    widen: "Widen the price range, or include products that are not in stock.",
  },
  product: {
    product: "Product",
    spoken: (name, ...details) => [name, ...details, "details and more like this"].filter(Boolean).join(", "),
    stock: {
      in_stock: "In stock",
      out_of_stock: "Sold out",
      unknown: "Availability unknown",
      preorder: "Pre-order",
      backorder: "On back-order",
    },
    reduced: (share) => `−${share}`,
    why: (whole, regions) => `Why: ${whole} from the whole scene, ${regions} from its regions`,
    whyTitle: "Why this product",
    whole: (share) => `Scene ${share}`,
    regions: (share) => `Regions ${share}`,
    wholeLong: (share) => `Whole scene ${share}`,
    regionsLong: (share) => `Regions of the photo ${share}`,
    rate: (name) => `Rate ${name}`,
    good: "Good match",
    bad: "Not a match",
    back: "Back",
    close: "Close",
    visit: "Visit the shop",
    useInLook: "Build a look with this",
    alike: "More like this",
    noneAlike: "No similar products were found.",
  },
  look: {
    lead: "One product for each category, chosen to go with the scene and with each other.",
    missing: (names) => `No product in ${list(names)} matches the filters.`,
    lock: "Lock",
    locked: "Locked",
    lockSlot: (name) => `Lock ${name}`,
    swap: "Swap",
    swapSlot: (name) => `Swap ${name}`,
    insteadOf: (name) => `Instead of ${name}`,
    others: (name) => `Other ${name}`,
    use: (name, price) => (price ? `Use ${name}, ${price}` : `Use ${name}`),
    products: (count) => plural(count, "product", "products"),
    unpriced: (count, unpriced) =>
      `${plural(count, "product", "products")}, ${unpriced} without a price`,
    budget: (currency) => (currency ? `Budget ${currency}` : "Budget"),
    noBudget: "none",
    rebuild: "Choose the others again",
    none: "No look with these filters",
  },
  key: {
    title: "This server requires a key",
    text: "The operator of the server can give you one. It is kept until you close this tab.",
    label: "Key",
    use: "Use key",
    notNow: "Not now",
    unknown: "The server does not accept this key.",
  },
  share: {
    own: "Your own photo has no address to share. You can share examples and pictures from the web.",
    copied: "The address is copied.",
    copyYourself: "Copy the address from the browser's address bar.",
  },
  spoken: {
    looking: "Looking for products.",
    found: (names) => `${plural(names.length, "category", "categories")}: ${names.join(", ")}.`,
    nothing: "No products were found.",
    added: (name) => `${name} added.`,
    removed: (name) => `${name} removed.`,
    look: (count) => `The look has ${plural(count, "product", "products")}.`,
    locked: (name) => `${name} locked.`,
    unlocked: (name) => `${name} unlocked.`,
    swapped: (name) => `${name} swapped.`,
    good: "Marked as a good match.",
    bad: "Marked as not a match.",
  },
  failure: {
    again: "Try again",
    otherPhoto: "Use another photo",
    tooLarge: { title: "This photo is too large", text: "Choose a smaller photo, or a screenshot of it." },
    noPicture: {
      title: "This file cannot be read as a photo",
      text: "Use a JPEG, PNG, WebP, AVIF or HEIC picture.",
    },
    busy: { title: "The server is busy", text: "Try again in a moment." },
    unreachable: { title: "The server cannot be reached", text: "Check your connection and try again." },
    gone: { title: "This no longer exists", text: "Choose another scene." },
    noKey: { title: "A key is required", text: "Try again and enter a key. The operator of the server can give you one." },
    notFetched: "This picture could not be fetched",
    refused: "The request failed",
    other: "Something went wrong",
    wait: (seconds) => `Try again in ${plural(seconds, "second", "seconds")}.`,
    status: (status) => `The server answered with status ${status}.`,
  },
};

/** How this language writes numbers. Amounts and counts follow the reader's browser. */
export const numbers = {
  count: (count) => count.toLocaleString(),
  percent: (share) => `${Math.round(share * 100)} %`,
  money: ({ cents, currency }) => {
    const amount = cents / 100;
    const digits = cents % 100 === 0 ? 0 : 2;
    const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    if (!currency) return new Intl.NumberFormat(undefined, format).format(amount);
    try {
      return new Intl.NumberFormat(undefined, { style: "currency", currency, ...format }).format(amount);
    } catch {
      return `${amount.toFixed(digits)} ${currency}`; // no currency that the browser knows
    }
  },
};
