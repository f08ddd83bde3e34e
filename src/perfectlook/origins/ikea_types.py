"""IKEA's types of products as paths of the taxonomy: the first keyword that a type holds decides."""

OTHER = "Home & Garden|Decor"
"""What no keyword names: parasols, paper napkins, pens."""

KEYWORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Hardware|Plumbing|Plumbing Fixtures|Faucets", ("mixer tap",)),
    (
        "Hardware|Plumbing|Plumbing Fixtures|Sinks",
        ("sink", "wash-basin", "washbasin", "wash-stand", "wsh-stnd"),
    ),
    (
        "Home & Garden|Lighting|Lighting Fixtures|Ceiling Light Fixtures",
        ("ceiling", "pendant", "chandelier", "lamp shade"),
    ),
    ("Home & Garden|Lighting|Lamps", ("lamp", "light", "lantern", "led ")),
    ("Home & Garden|Decor|Mirrors", ("mirror",)),
    ("Home & Garden|Decor|Clocks", ("clock",)),
    ("Home & Garden|Decor|Rugs", ("rug", "bath mat", "door mat", "play mat", "cow hide", "sheepskin")),
    ("Home & Garden|Decor|Window Treatments|Curtains & Drapes", ("curtain", "blind", "bed canopy")),
    ("Home & Garden|Linens & Bedding|Towels", ("towel", "washcloth")),
    ("Furniture|Sofas", ("sofa", "chaise longue", "conversation set")),
    (
        "Home & Garden|Linens & Bedding|Bedding",
        (
            "bedlinen",
            "bed runner",
            "bedspread",
            "quilt",
            "duvet",
            "pillowcase",
            "blanket",
            "throw",
            "sheet",
            "mattress",
            "sleeping bag",
        ),
    ),
    ("Home & Garden|Decor|Throw Pillows", ("cushion", "pillow", "pad")),
    (
        "Home & Garden|Lawn & Garden|Pots & Planters",
        ("plant pot", "planter", "greenhouse", "trellis", "watering can", "flower box"),
    ),
    ("Furniture|Chairs|Table & Bar Stools", ("stool", "bench", "pouffe", "stepladder")),
    ("Furniture|Chairs", ("chair",)),
    ("Furniture|Beds", ("bed", "cot", "headboard")),
    ("Furniture|Tables", ("table", "desk", "worktop", "workstation", "trestle")),
    (
        "Furniture|Cabinets & Storage|Dressers & Wardrobes",
        ("cabinet", "chest of", "wardrobe", "drawer", "unit", "sideboard", "bureau"),
    ),
    (
        "Furniture|Shelving",
        (
            "shelf",
            "shelves",
            "rack",
            "bookcase",
            "bracket",
            "section",
            "open storage",
            "wall storage",
            "storage combination",
        ),
    ),
    (
        "Home & Garden|Decor|Frames & Art",
        (
            "frame",
            "picture",
            "poster",
            "vase",
            "decoration",
            "candle",
            "potted plant",
            "noticeboard",
            "magnetic board",
            "glass dome",
        ),
    ),
    (
        "Home & Garden|Household Supplies|Storage & Organization",
        (
            "box",
            "basket",
            "storage",
            "container",
            "hanger",
            "hook",
            "holder",
            "stand",
            "trolley",
            "tray",
            "rail",
            "bin with lid",
            "sorting bin",
            "magazine file",
            "organiser",
            "trunk",
            "toilet brush",
            "jar with lid",
        ),
    ),
    (
        "Home & Garden|Kitchen & Dining|Tableware",
        (
            "plate",
            "bowl",
            "glass",
            "cup",
            "mug",
            "jug",
            "carafe",
            "coaster",
            "cutlery",
            "teapot",
            "place mat",
        ),
    ),
    (
        "Home & Garden|Kitchen & Dining|Appliances & Cookware",
        (
            "hob",
            "oven",
            "microwave",
            "fridge",
            "extractor hood",
            "casserole",
            "pot with lid",
            "saucepan",
            "stockpot",
            "chopping board",
            "cook's knife",
            "coffee,tea maker",
            "spice mill",
            "dish",
            "dispenser",
        ),
    ),
    (
        "Hardware|Hardware Accessories",
        ("knob", "handle", "leg", "door", "cord", "wall panel", "decking", "wood stain"),
    ),
    (
        "Toys & Games|Toys",
        (
            "toy",
            "game",
            "play",
            "doll's",
            "train set",
            "block",
            "baby",
            "tent",
            "children",
            "puppet",
            "costume",
            "easel",
            "mobile",
            "rattle",
            "swing",
            "beaker",
        ),
    ),
)
"""In this order: a `chair cushion` is found among cushions before chairs, a `towel rack` among towels."""


def category_of(kind: str) -> str:
    """The taxonomy path of a type, `Bedside table` (a slash counts as a comma: `Coffee/tea maker`)."""
    text = kind.lower().replace("/", ",")
    for category, keywords in KEYWORDS:
        if any(keyword in text for keyword in keywords):
            return category
    return OTHER
