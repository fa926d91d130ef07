//! Asks several servers the same, because one of them may be away, and another one may not know the latest.

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::dial::FIND_LIMIT;
use crate::fault::Fault;

/// Asks all at once, until more than half of them say the same. If they don't within the time for it, the answer that most of them
/// gave counts. If two answers are as frequent, `turn` decides.
pub(crate) async fn ask<T, F>(questions: impl Iterator<Item = F>, turn: usize) -> Result<T, Fault>
where
    T: PartialEq + Clone + Send + 'static,
    F: Future<Output = Result<T, Fault>> + Send + 'static,
{
    let mut asked = JoinSet::new();
    for question in questions {
        asked.spawn(async {
            let answer = timeout(FIND_LIMIT, question).await;
            answer.unwrap_or_else(|_| Err(Fault::late(FIND_LIMIT)))
        });
    }
    let count = asked.len();
    let mut answers: Vec<T> = Vec::new();
    let mut fault = Fault::Unavailable("there is nobody to ask for the server".to_owned());
    let votes = |answers: &[T], candidate: &T| answers.iter().filter(|other| *other == candidate).count();
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(answer)) => {
                answers.push(answer.clone());
                if votes(&answers, &answer) * 2 > count {
                    return Ok(answer);
                }
            }
            // What an operator must change is told before what may pass.
            Ok(Err(problem)) if matches!(fault, Fault::Unavailable(_) | Fault::Lost(_)) => fault = problem,
            Ok(Err(_)) | Err(_) => {}
        }
    }
    let first = turn.checked_rem(answers.len()).unwrap_or(0);
    answers.rotate_left(first);
    answers.iter().max_by_key(|candidate| votes(&answers, candidate)).cloned().ok_or(fault)
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, pending, ready};
    use std::pin::Pin;

    use tokio::time::Instant;

    use super::*;

    type Question = Pin<Box<dyn Future<Output = Result<u8, Fault>> + Send>>;

    fn says(answer: u8) -> Question {
        let answer: Ready<Result<u8, Fault>> = ready(Ok(answer));
        Box::pin(answer)
    }

    fn silent() -> Question {
        Box::pin(pending())
    }

    #[tokio::test(start_paused = true)]
    async fn servers_that_are_silent_cost_no_time_if_most_agree() {
        let began = Instant::now();
        let questions = vec![silent(), says(1), silent(), says(1), says(1)];
        assert_eq!(ask(questions.into_iter(), 0).await, Ok(1));
        assert!(began.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn all_that_are_silent_cost_200_ms_together() {
        for (answers, said) in [(vec![], None), (vec![1], Some(1)), (vec![1, 2, 2], Some(2))] {
            let began = Instant::now();
            let silent = (0..6).map(|_| silent());
            let found = ask(silent.chain(answers.into_iter().map(says)), 0).await;
            assert_eq!(found.ok(), said);
            assert_eq!(began.elapsed().as_millis(), 200);
        }
    }

    #[tokio::test]
    async fn two_that_disagree_take_turns() {
        let mut said = Vec::new();
        for turn in 0..4 {
            said.push(ask([says(1), says(2)].into_iter(), turn).await.unwrap());
        }
        assert!(said == [1, 2, 1, 2] || said == [2, 1, 2, 1], "{said:?}");
    }
}
