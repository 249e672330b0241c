"""Small test sets for chapter 6, every sentence of them written for this book; its own licence holds for them.

They are few, so that intervals are wide, and easy, so that a small model has a chance. No model was shown them before;
still they say something about these sentences, and little about the world.
"""

from dataclasses import dataclass

SENTIMENT = {  # opinions: train, of which a method may learn, and test, half of each positive
    "train": {
        "positive": (
            "The pasta was wonderful and the waiter was kind.",
            "I slept like a child in that quiet hotel.",
            "Best headphones I have ever owned.",
            "The film made me laugh from start to finish.",
            "Our guide was funny, patient and full of stories.",
            "The repair was quick and cost less than I feared.",
            "A lovely book that I read in one evening.",
            "My daughter adores this puzzle.",
            "Fresh bread, good coffee, friendly people.",
            "The new bus line is fast and always on time.",
            "This lamp gives a warm and pleasant light.",
            "The concert was a joy for everybody.",
            "Great battery, it lasts three days.",
            "The course was clear and I learned a lot.",
            "They answered my question within minutes, excellent service.",
            "What a beautiful garden to spend an afternoon in.",
            "The soup was delicious and the portion generous.",
            "A perfect gift, my father was delighted.",
            "The app is simple, fast and a pleasure to use.",
            "I would happily stay here again.",
        ),
        "negative": (
            "The fish was cold and the table was dirty.",
            "I could not sleep because of the noise all night.",
            "The headphones broke after two days.",
            "The film was boring and far too long.",
            "Our guide was rude and often late.",
            "The repair took six weeks and failed again.",
            "A dull book that I could not finish.",
            "My daughter cried, the puzzle had missing pieces.",
            "Stale bread, weak coffee, angry people.",
            "The new bus line is slow and never on time.",
            "This lamp flickers and gives me a headache.",
            "The concert was a disaster for everybody.",
            "Terrible battery, it dies before noon.",
            "The course was confusing and I learned nothing.",
            "They never answered my question, awful service.",
            "What an ugly place to waste an afternoon in.",
            "The soup was salty and the portion tiny.",
            "A useless gift, my father was disappointed.",
            "The app is slow, crashes and asks for money.",
            "I would never stay here again.",
        ),
    },
    "test": {
        "positive": (
            "The cake was so good that we ordered a second one.",
            "Every room was clean and bright.",
            "The seller packed the vase with great care.",
            "I expected little and was happily surprised.",
            "Not bad at all, I am quite pleased.",
            "The staff went out of their way to help us.",
            "These shoes are the most comfortable I own.",
            "The play moved me to tears in the best way.",
            "It works exactly as promised.",
            "The view from the balcony alone is worth the price.",
            "My old computer feels like new.",
            "The children did not want to leave.",
            "Nothing to complain about, everything was fine.",
            "A clever little tool that saves me an hour a day.",
            "The dentist was gentle and explained each step.",
            "I have recommended it to all my friends.",
            "The author writes with wit and warmth.",
            "Shipping was free and faster than announced.",
            "After the update all my problems were gone.",
            "The team earned its victory with brilliant play.",
        ),
        "negative": (
            "The cake was so dry that we left half of it.",
            "Every room smelled of smoke.",
            "The vase arrived in a hundred pieces.",
            "I expected a lot and was bitterly let down.",
            "Not good at all, I want my money back.",
            "The staff ignored us for half an hour.",
            "These shoes hurt after ten minutes.",
            "The play was so poor that many left early.",
            "It does nothing of what was promised.",
            "The view is a wall, and the price is a joke.",
            "My computer is slower than before.",
            "The children begged us to leave.",
            "Nothing worked, and nobody cared.",
            "A clumsy tool that costs me an hour a day.",
            "The dentist was rough and in a hurry.",
            "I have warned all my friends.",
            "The author repeats himself on every page.",
            "Shipping cost a fortune and took a month.",
            "After the update nothing worked any more.",
            "The team threw away an easy victory.",
        ),
    },
}


@dataclass(frozen=True)
class Passage:
    """A short text with a summary in one sentence, and questions that the text answers, each with its answer."""

    text: str
    summary: str
    questions: tuple[tuple[str, str], ...]


PASSAGES = (
    Passage(
        "The old lighthouse on Gull Island was built in 1874. For ninety years a keeper lit the lamp every evening. In "
        "1964 an electric light replaced him, and the house stood empty. Today it is a small museum that is open from "
        "May to September.",
        "The lighthouse on Gull Island, built in 1874 and automated in 1964, is now a museum.",
        (("When was the lighthouse built?", "1874"), ("What is the lighthouse today?", "a small museum")),
    ),
    Passage(
        "Anna Berg runs the only bakery in the village. She gets up at three in the morning and bakes two hundred "
        "loaves. Most of them are sold before nine. On Mondays the bakery is closed, because Anna visits her mother in "
        "Oslo.",
        "Anna Berg runs the only bakery in the village and closes it on Mondays to visit her mother.",
        (("On which day is the bakery closed?", "Monday"), ("Where does Anna's mother live?", "Oslo")),
    ),
    Passage(
        "Bees see colours that people cannot see. Their eyes notice ultraviolet light, and many flowers have patterns "
        "in it that point to the nectar. Red, however, looks black to a bee. A gardener who wants bees should plant "
        "blue and yellow flowers.",
        "Bees see ultraviolet light but not red, so blue and yellow flowers attract them.",
        (("Which colour looks black to a bee?", "red"), ("What do the patterns point to?", "the nectar")),
    ),
    Passage(
        "The city council voted on Tuesday to close Mill Bridge to cars. The bridge is 210 years old, and engineers "
        "found cracks in two of its arches. Pedestrians and cyclists may still cross it. Repairs will take eighteen "
        "months and cost four million euros.",
        "Mill Bridge is closed to cars for eighteen months because of cracks in its arches.",
        (("How long will the repairs take?", "eighteen months"), ("How old is the bridge?", "210 years")),
    ),
    Passage(
        "Professor Lin studies how turtles find the beach where they were born. Her team fixed small transmitters to "
        "forty turtles. Thirty-one of them came back to the same beach after two years. Lin believes that they follow "
        "the magnetic field of the earth.",
        "Professor Lin found that most turtles return to their birthplace, guided perhaps by the magnetic field.",
        (("Which animals does Professor Lin study?", "turtles"), ("How many turtles got transmitters?", "forty")),
    ),
    Passage(
        "The train from Bern to Lugano was delayed by three hours yesterday. A tree had fallen on the line near "
        "Airolo during the storm. Nobody was hurt. The passengers were given tea and blankets, and later their money "
        "back.",
        "A fallen tree delayed the train from Bern to Lugano by three hours, and passengers were refunded.",
        (("What had fallen on the line?", "a tree"), ("What were the passengers given?", "tea and blankets")),
    ),
    Passage(
        "Python was created by Guido van Rossum and first released in 1991. It is named after a group of comedians, "
        "not after the snake. The language became popular because programs in it are easy to read. Today it is used "
        "in science, on the web and in schools.",
        "Python, released in 1991 by Guido van Rossum, became popular because it is easy to read.",
        (("Who created Python?", "Guido van Rossum"), ("What is Python named after?", "a group of comedians")),
    ),
    Passage(
        "Olive oil should be kept in a dark and cool place. Light and heat make it lose its taste within weeks. A "
        "refrigerator does no harm, but the oil turns cloudy there. It becomes clear again at room temperature.",
        "Olive oil keeps its taste in a dark and cool place.",
        (
            ("What happens to oil in a refrigerator?", "it turns cloudy"),
            ("What makes it lose its taste?", "light and heat"),
        ),
    ),
    Passage(
        "Marco lost his dog in the forest on a Sunday. He searched for two days and put up posters in the town. On "
        "Wednesday a hunter called: the dog was asleep in his kitchen. Marco bought the hunter a cake.",
        "A hunter found the dog that Marco had lost in the forest.",
        (("Who called Marco?", "a hunter"), ("Where was the dog asleep?", "in his kitchen")),
    ),
    Passage(
        "The museum of clocks in Ferrow shows nine hundred clocks. The oldest is a water clock from Egypt. Every hour "
        "all of them strike at the same time, which takes a lot of work each morning. Children like the clock in which "
        "a wooden cat chases a mouse.",
        "The museum in Ferrow shows nine hundred clocks that all strike together every hour.",
        (("Where does the oldest clock come from?", "Egypt"), ("What does the wooden cat chase?", "a mouse")),
    ),
)


DIALOGUES = (  # what somebody says first, what is asked later, and a word that a right answer holds
    ("Hello! My name is Clara.", "What is my name?", "Clara"),
    ("I have a cat called Momo.", "What is my cat called?", "Momo"),
    ("I live in Lisbon.", "In which city do I live?", "Lisbon"),
    ("My favourite colour is green.", "What is my favourite colour?", "green"),
    ("I was born in 1987.", "In which year was I born?", "1987"),
    ("My sister is a dentist.", "What is my sister's job?", "dentist"),
    ("I am allergic to peanuts.", "What am I allergic to?", "peanut"),
    ("On Friday I fly to Tokyo.", "Where do I fly on Friday?", "Tokyo"),
    ("I play the violin.", "Which instrument do I play?", "violin"),
    ("My car is a red Fiat.", "What colour is my car?", "red"),
)


@dataclass(frozen=True)
class Function:
    """A function to complete: its first lines, and assertions about it."""

    name: str
    prompt: str
    tests: str


def _function(head: str, says: str, *tests: str) -> Function:
    return Function(head.split("(")[0], f'def {head}:\n    """{says}"""\n', "\n".join(f"assert {t}" for t in tests))


FUNCTIONS = (
    _function("add(a, b)", "Return the sum of a and b.", "add(2, 3) == 5", "add(-1, 1) == 0"),
    _function("is_even(n)", "Return True if n is even, otherwise False.", "is_even(4)", "not is_even(7)"),
    _function("square(x)", "Return x squared.", "square(5) == 25", "square(-3) == 9"),
    _function(
        "largest(a, b, c)", "Return the largest of three numbers.", "largest(1, 9, 3) == 9", "largest(5, 2, 2) == 5"
    ),
    _function("reverse(s)", "Return the string s reversed.", "reverse('abc') == 'cba'", "reverse('') == ''"),
    _function(
        "is_palindrome(s)",
        "Return True if s reads the same backwards.",
        "is_palindrome('level')",
        "not is_palindrome('ab')",
    ),
    _function("factorial(n)", "Return n! for n >= 0.", "factorial(0) == 1", "factorial(5) == 120"),
    _function(
        "count_vowels(s)",
        "Return how many of the letters of s are vowels.",
        "count_vowels('banana') == 3",
        "count_vowels('xyz') == 0",
    ),
    _function("mean(numbers)", "Return the mean of a list of numbers.", "mean([1, 2, 3]) == 2", "mean([4]) == 4"),
    _function(
        "unique(items)",
        "Return the items without repetition, in the order of first appearance.",
        "unique([3, 1, 3, 2, 1]) == [3, 1, 2]",
        "unique([]) == []",
    ),
    _function(
        "fibonacci(n)",
        "Return the n-th Fibonacci number; the first two, for n = 0 and n = 1, are 0 and 1.",
        "fibonacci(0) == 0",
        "fibonacci(1) == 1",
        "fibonacci(10) == 55",
    ),
    _function(
        "longest_word(text)",
        "Return the longest word of a text.",
        "longest_word('a bird sings') == 'sings'",
        "longest_word('I am') == 'am'",
    ),
    _function("gcd(a, b)", "Return the greatest common divisor of a and b.", "gcd(12, 18) == 6", "gcd(7, 5) == 1"),
    _function(
        "flatten(rows)",
        "Return the elements of a list of lists in one list.",
        "flatten([[1, 2], [], [3]]) == [1, 2, 3]",
        "flatten([]) == []",
    ),
    _function(
        "is_prime(n)",
        "Return True if n is a prime number.",
        "is_prime(13)",
        "not is_prime(1)",
        "not is_prime(15)",
        "not is_prime(9)",
    ),
    _function(
        "to_roman(n)",
        "Return the whole number n, from 1 to 3999, in Roman numerals.",
        "to_roman(4) == 'IV'",
        "to_roman(1994) == 'MCMXCIV'",
    ),
)
