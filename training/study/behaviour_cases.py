"""The words and sentences that `training.study.behaviour` builds its cases from; all plain data."""

from typing import Final

NAMES: Final = ("Anna", "Mohammed", "Chen", "Maria", "Dmitri", "Priya", "Jack", "Olumide")
PLACES: Final = ("Berlin", "Nairobi", "Chicago", "Mumbai", "Lima", "Seoul", "Sydney", "Warsaw")

NAMED: Final = (
    "I am so happy that {name} called me today",
    "{name} made my whole week, what a wonderful surprise party",
    "I feel heartbroken since {name} left",
    "{name} cried all night and feels hopeless",
    "I am furious with {name}, this is outrageous",
    "{name} is angry about the broken promise",
    "I feel scared when {name} drives this fast",
    "{name} was terrified of the storm",
    "I adore {name} with all my heart",
    "{name} was amazed and stunned by the news",
)
PLACED: Final = (
    "We had a fantastic weekend in {place}",
    "I am so excited and happy to move to {place}",
    "The hotel in {place} was dirty and awful",
    "I feel lonely and miserable in {place}",
    "I am angry that the flight to {place} was cancelled again",
    "I feel afraid to walk through {place} at night",
    "I love {place} and everyone I met there",
    "I was amazed by what I found in {place}",
)
SPELT: Final = (
    "I feel so happy and grateful for everything this morning",
    "what a wonderful evening with the whole family together",
    "I am cheerful because the weather is perfect for travelling",
    "I feel miserable and lonely since yesterday afternoon",
    "the funeral left everybody heartbroken and without comfort",
    "I am disappointed and sad about the terrible result of the election",
    "I feel furious about this disgusting behaviour of the company",
    "I am angry that the service was cancelled without explanation",
    "I feel terrified whenever the building starts shaking",
    "I am nervous and frightened before every examination",
    "I adore my beautiful daughter and her gentle character",
    "I feel completely astonished by this unexpected announcement",
)
"""Each longer word of these gets a typo of its own."""

OPINIONS: Final = (
    "The new phone is great",
    "We enjoyed the concert last night",
    "The staff were friendly and quick",
    "My new job is going really well",
    "The phone breaks all the time",
    "The concert was boring",
    "The staff were rude to everybody",
    "My train was late again",
    "I bought a phone on Tuesday",
    "The concert starts at eight",
    "The shop is next to the station",
    "My brother works for the airline",
)
"""Four positive, four negative and four neutral sentences, to which another is added."""
PRAISE: Final = (
    "I love it!",
    "It makes me so happy.",
    "Absolutely wonderful.",
    "This is the best thing ever.",
    "Thank you so much, you are amazing!",
)
BLAME: Final = (
    "I hate it!",
    "It makes me so angry.",
    "Absolutely terrible.",
    "This is the worst thing ever.",
    "What a disgrace, never again!",
)

FEELING: Final = ("i feel {word}", "I am so {word} right now", "we are all {word} about it",
                  "she felt {word} the whole day")  # fmt: skip
FEELINGS: Final = {
    "sadness": ("sad", "miserable", "heartbroken", "gloomy", "hopeless", "depressed"),
    "joy": ("happy", "joyful", "cheerful", "delighted", "thrilled", "glad"),
    "love": ("loving", "affectionate", "tender and caring", "romantic", "in love", "devoted"),
    "anger": ("angry", "furious", "enraged", "outraged", "irritated", "annoyed"),
    "fear": ("afraid", "scared", "terrified", "frightened", "anxious", "nervous"),
    "surprise": ("surprised", "amazed", "astonished", "stunned", "shocked", "dazed"),
}
TOLD: Final = {
    "sadness": (
        "My grandmother died last night and I cannot stop crying.",
        "I miss my dog so much, the house is empty without him.",
        "She left me and I have been in tears all day.",
        "Nobody came to my birthday and I cried alone.",
        "We lost everything in the flood, it breaks my heart.",
        "I sit here alone again and everything hurts.",
    ),
    "joy": (
        "I passed my exam, this is the best day of my life!",
        "We won the cup, everybody is dancing in the streets!",
        "Such a fun evening, we laughed until midnight.",
        "Finally on holiday, sun and sea, life is good!",
        "I got the job, let us celebrate tonight!",
        "Our team is champion, what a glorious day!",
    ),
    "love": (
        "I love my wife more than anything in this world.",
        "You mean the world to me, my darling.",
        "I adore you, sweetheart, kiss me again.",
        "My heart belongs to you for ever, my love.",
        "I hold my newborn daughter close and love her so much.",
        "Every day I fall in love with you again.",
    ),
    "anger": (
        "This company stole my money and they just laugh at me!",
        "How dare you lie to my face, I want to scream at you!",
        "Stop cheating us, you corrupt idiots!",
        "I hate these greedy liars, they make my blood boil!",
        "They cancelled my flight again and nobody answers, this is an outrage!",
        "Some idiot scratched my car, I could punch a wall!",
    ),
    "fear": (
        "Someone is following me home, please help.",
        "There is a fire in our building and we cannot get out!",
        "I heard a gun shot outside and I am hiding under the bed.",
        "The doctor found something and I dread the result.",
        "What if the bridge falls while we are on it, I am shaking.",
        "I cannot sleep, I think there is somebody in the house.",
    ),
    "surprise": (
        "Wow, I did not see that coming at all!",
        "No way, I cannot believe that they won after all!",
        "What on earth just happened, I am speechless!",
        "Out of nowhere she stood at my door after ten years!",
        "I never expected this, my jaw dropped!",
        "Wait, what, they are twins, I had no idea!",
    ),
}
RATED: Final = ("The {thing} is {word}.", "What a {word} {thing}!")
THINGS: Final = ("film", "hotel", "new phone", "service")
PRAISING: Final = ("great", "wonderful", "excellent", "fantastic", "brilliant")
BLAMING: Final = ("terrible", "awful", "horrible", "disgusting", "useless")
PLAIN: Final = ("The {thing} is on the second page.", "They told us about the {thing} on Monday.",
                "Where do I find the {thing}?", "This is the {thing} from the list.",
                "The {thing} has the number twelve.")  # fmt: skip
NOT_GOOD: Final = ("The {thing} is not {word}.", "I do not think that the {thing} is {word}.")
NOT_BAD: Final = (
    "The {thing} is not {word} at all.",
    "There was nothing {word} about the {thing}.",
)
NOT_FELT: Final = ("i do not feel {word}", "I am not {word} about it", "she was never {word}")
