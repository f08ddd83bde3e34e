// The example shop: a basket that counts, and the product that the address names (product.html?id=...).

const service = new URL(".", document.querySelector('script[src*="widget"]').src);
const basket = document.querySelector("[data-basket]");
const product = document.querySelector("[data-product]");

const put = ({ detail }) => {
  basket.textContent = Number(basket.textContent) + (detail.product?.quantity ?? 1);
};

document.addEventListener("added", put);
document.querySelector(".buy")?.addEventListener("click", put);

// A real shop writes the session of its visitor here. It chooses the arm of an experiment.
const session = (sessionStorage.session ??= crypto.randomUUID?.() ?? String(Math.random()).slice(2));
for (const each of document.querySelectorAll("perfect-look")) each.setAttribute("session", session);

const id = new URLSearchParams(location.search).get("id");
if (product && id && id !== product.dataset.product) await show(id);

async function show(id) {
  document.querySelector("perfect-look").setAttribute("product", id);
  const answer = await fetch(new URL(`v1/products/${encodeURIComponent(id)}`, service));
  if (!answer.ok) return;
  const { title, brand, price, picture } = await answer.json();
  const [amount, currency] = (price ?? "").split(" ");
  const money = new Intl.NumberFormat("en", { style: "currency", currency: currency || "EUR" });
  product.querySelector("[data-title]").textContent = title ?? id;
  product.querySelector("[data-brand]").textContent = brand ?? "";
  product.querySelector("[data-price]").textContent = amount ? money.format(Number(amount)) : "";
  const image = product.querySelector("[data-picture]");
  image.src = new URL(picture.slice(1), service);
  image.alt = title ?? id;
  document.title = `${title ?? id} · Lind & Alder`;
}
